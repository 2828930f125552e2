//! What Django 4.2.30, 5.2.19 and 6.1.3 answered to 498 requests: `vectors.jsonl`, in which the three
//! agree. Each was sent at the second 1700000000 with this key; of cookies that are set the value is
//! left out. `steps` are several requests of one browser.

use std::collections::BTreeMap;

use actix_django_session::{DjangoSettings, DjangoSite, MessageLevel, SessionData};
use serde_json::Value;
use testbed::{Django, Settings, TestBed};

use super::operations::{Outcome, SECRET_KEY, request, settings, signer};
use crate::beds::pool;

#[testbed::test]
async fn every_operation_has_the_same_result_as_in_django() {
    let bed = bed().await;
    let pool = pool(bed.database_url());
    // By their settings: a site makes connections of its own.
    let mut sites = BTreeMap::new();
    let mut left_out = BTreeMap::new();
    let mut other_deflate = 0;
    let mut seen = 0;
    for line in include_str!("vectors.jsonl").lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        if let Some(reason) = why_left_out(&vector) {
            *left_out.entry(reason).or_insert(0) += 1;
            continue;
        }
        let kind = ["storage", "fallbacks", "settings"].map(|name| vector[name].to_string());
        let new = || DjangoSite::new(pool.clone(), settings_of(&vector)).unwrap();
        let site = sites.entry(kind).or_insert_with(new);
        other_deflate += replay(&vector, site, &bed).await;
        seen += 1;
    }
    let left_out: Vec<_> = left_out.into_iter().collect();
    assert_eq!(
        left_out,
        [
            ("`in`: a handler in Rust has the list", 3),
            ("`used` is nothing that a handler sets", 6),
            ("an argument of the wrong type: the compiler refuses it", 2),
            ("set_level(None) puts back what was not changed: an error in Django", 1),
            ("signed, and no messages: Django fails over it, here it is given up", 19),
            ("such settings are refused at the start", 2),
            ("tags that are None: here they are a text", 10),
            ("too long by little, and this crate's deflate makes it shorter: it fits", 10),
            (
                "under DEBUG a lost message is an error in Django; here it is a warning in the log",
                6
            ),
            ("without one of Django's middlewares: here there is one of both", 9),
        ]
    );
    assert_eq!((seen, other_deflate), (430, 57));
}

/// A database with Alice in it.
pub(super) async fn bed() -> TestBed {
    let settings = Settings::default().set("SECRET_KEY", SECRET_KEY);
    let bed = TestBed::with_settings(Django::default(), settings).await.unwrap();
    bed.oracle().await.unwrap().set_user("alice", "wonderland").await.unwrap();
    bed
}

/// Why nothing here can be asked for that, or is answered in another way.
fn why_left_out(vector: &Value) -> Option<&'static str> {
    let steps = vector["steps"].as_array().cloned().unwrap_or_else(|| vec![vector.clone()]);
    let ops: Vec<_> =
        steps.iter().flat_map(|step| step["ops"].as_array().unwrap().clone()).collect();
    let does = |name: &str| ops.iter().any(|op| op[0] == name || op[1][0] == name);
    let without_tags = |op: &Value| {
        op[0].as_str().unwrap().starts_with("add") && op.get(3).is_some_and(Value::is_null)
    };
    let fails = vector["expect"]["status"] == 500 && vector["status"] != 500 && !does("raise");
    let named = |text: &str| vector["note"].as_str().unwrap().contains(text);
    if vector.get("middleware").is_some() {
        Some("without one of Django's middlewares: here there is one of both")
    } else if fails && vector["settings"]["DEBUG"] == true {
        Some("under DEBUG a lost message is an error in Django; here it is a warning in the log")
    } else if vector["settings"]["SESSION_COOKIE_SAMESITE"] == "bogus" {
        Some("such settings are refused at the start")
    } else if fails && vector["id"].as_str().unwrap().starts_with("level") {
        Some("set_level(None) puts back what was not changed: an error in Django")
    } else if fails {
        Some("signed, and no messages: Django fails over it, here it is given up")
    } else if named("read, add too long") || named("1903 base64") || named("2580 hex") {
        // By 2 to 150 characters.
        Some("too long by little, and this crate's deflate makes it shorter: it fits")
    } else if does("set_used") {
        Some("`used` is nothing that a handler sets")
    } else if does("contains") {
        Some("`in`: a handler in Rust has the list")
    } else if does("try") {
        Some("an argument of the wrong type: the compiler refuses it")
    } else if ops.iter().any(without_tags) {
        Some("tags that are None: here they are a text")
    } else {
        None
    }
}

fn settings_of(vector: &Value) -> DjangoSettings {
    let mut settings = settings(vector["storage"].as_str().unwrap());
    if let Some(fallbacks) = vector["fallbacks"].as_array() {
        settings.secret_key_fallbacks =
            fallbacks.iter().map(|key| key.as_str().unwrap()).map(Into::into).collect();
    }
    for (name, value) in vector["settings"].as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let yes = *value == true;
        match &**name {
            "DEBUG" => {}
            "MESSAGE_LEVEL" => settings.message_level = MessageLevel(value.as_i64().unwrap()),
            "MESSAGE_TAGS" => {
                let tags = value.as_object().unwrap().iter().map(|(level, tag)| {
                    (MessageLevel(level.parse().unwrap()), tag.as_str().unwrap().into())
                });
                settings.message_tags = tags.collect();
            }
            "SESSION_COOKIE_DOMAIN" => settings.session_cookie_domain = Some(text.into()),
            "SESSION_COOKIE_PATH" => settings.session_cookie_path = Some(text.into()),
            "SESSION_COOKIE_SECURE" => settings.session_cookie_secure = yes,
            "SESSION_COOKIE_HTTPONLY" => settings.session_cookie_httponly = yes,
            "SESSION_COOKIE_SAMESITE" => settings.session_cookie_samesite = Some(text.into()),
            "SESSION_COOKIE_NAME" => settings.session_cookie_name = text.into(),
            "SESSION_COOKIE_AGE" => settings.session_cookie_age = value.as_i64().unwrap(),
            "SESSION_EXPIRE_AT_BROWSER_CLOSE" => settings.session_expire_at_browser_close = yes,
            "SESSION_SAVE_EVERY_REQUEST" => settings.session_save_every_request = yes,
            "CSRF_COOKIE_SECURE" => settings.csrf_cookie_secure = yes,
            "CSRF_COOKIE_DOMAIN" => settings.csrf_cookie_domain = Some(text.into()),
            other => panic!("{other}"),
        }
    }
    settings
}

/// How many cookies were compressed in another way than zlib's.
async fn replay(vector: &Value, site: &DjangoSite, bed: &TestBed) -> usize {
    let oracle = bed.oracle().await.unwrap();
    oracle
        .ask(serde_json::json!({ "cmd": "sql", "statement": "DELETE FROM django_session" }))
        .await
        .unwrap();
    if let Some(json) = vector["session"]["data_json"].as_str() {
        let data = SessionData::from_json(json).unwrap().encode(site.signer());
        let row = serde_json::json!({ "cmd": "put_row", "key": vector["session"]["key"], "session_data": data });
        oracle.ask(row).await.unwrap();
    }
    let mut other_deflate = 0;
    let mut jar = Jar::of(vector["cookie"].as_str());
    let (steps, expected) = match vector["steps"].as_array() {
        Some(steps) => (steps.clone(), vector["expect"].as_array().unwrap().clone()),
        None => (vec![vector.clone()], vec![vector["expect"].clone()]),
    };
    for (step, expect) in steps.iter().zip(&expected) {
        let status = match step.get("redirect") {
            Some(_) => 302,
            None => step["status"].as_u64().unwrap_or(200) as u16,
        };
        let ops = step["ops"].as_array().unwrap();
        let outcome = request(site, ops, status, jar.header().as_deref()).await;
        other_deflate += usize::from(check(&outcome, expect, step, vector));
        let rows = oracle
            .ask(serde_json::json!({ "cmd": "sql", "statement": "SELECT session_data FROM django_session" }))
            .await
            .unwrap();
        let rows: Vec<_> =
            rows["rows"].as_array().unwrap().iter().map(|row| data(&row[0], site)).collect();
        let expected = expect["rows"].as_array().unwrap().iter();
        let expected: Vec<_> = expected
            .map(|row| SessionData::from_json(row["data_json"].as_str().unwrap()).unwrap())
            .collect();
        assert_eq!(received(&rows), received(&expected), "{}: {}", vector["id"], vector["note"]);
        jar.take(&outcome, &site.settings().clone());
    }
    other_deflate
}

fn data(session_data: &Value, site: &DjangoSite) -> SessionData {
    SessionData::decode(session_data.as_str().unwrap(), site.signer()).unwrap()
}

/// All but the hash, which is of another password.
fn received(rows: &[SessionData]) -> Vec<Vec<(String, String)>> {
    let row = |row: &SessionData| {
        let all = row.iter().filter(|(key, _)| key != "_auth_user_hash");
        let mut all: Vec<_> = all.map(|(key, json)| (key.into_owned(), json.to_owned())).collect();
        all.sort();
        all
    };
    rows.iter().map(row).collect()
}

fn check(outcome: &Outcome, expect: &Value, step: &Value, vector: &Value) -> bool {
    let case = format!("{} {}: {outcome:?}\n{expect}", vector["id"], vector["note"]);
    assert_eq!(outcome.status, expect["status"], "{case}");
    for (index, op) in step["ops"].as_array().unwrap().iter().enumerate() {
        let silent =
            ["flags", "set_level", "raise", "session_pop"].iter().any(|name| op[0] == *name);
        if !silent {
            let expected = as_here(expect["results"][index].clone());
            assert_eq!(outcome.results[index], expected, "{case}");
        }
    }
    let mut cookies = expect["set_cookie"].as_array().unwrap().clone();
    cookies.iter_mut().for_each(|cookie| *cookie = dateless(cookie.as_str().unwrap()).into());
    let ours: Vec<_> =
        outcome.set_cookie.iter().map(|cookie| Value::from(dateless(cookie))).collect();
    assert_eq!(ours, cookies, "{case}");
    let kept = &expect["messages_cookie"];
    let Some(json) = kept["json"].as_str() else { return false };
    let value = outcome.cookie.as_deref().unwrap();
    assert_eq!(signer().unsign_json(value, None).unwrap(), json, "{case}");
    assert_eq!(value.starts_with('.'), kept["compressed"] == true, "{case}");
    assert!(value.len() <= 2048);
    let same_length = value.len() == kept["length"].as_u64().unwrap() as usize;
    assert!(same_length || kept["compressed"] == true, "{case}");
    !same_length
}

fn as_here(mut results: Value) -> Value {
    if let Some(text) = results.as_str() {
        return text.replace("|None|", "||").into();
    }
    if let Value::Array(all) = &mut results {
        // What is no message is not for handlers here.
        all.retain(|each| each.get("not_a_message").is_none());
    }
    let all = match &mut results {
        Value::Array(all) => all.iter_mut().collect(),
        one @ Value::Object(_) => vec![one],
        _ => vec![],
    };
    for each in all {
        if each["extra_tags"].is_null() {
            each["extra_tags"] = "".into();
        }
        if each["text"].is_number() {
            each["text"] = each["text"].to_string().into();
        }
    }
    results
}

/// Without the moment at which it ends: the vectors are of another day.
pub(super) fn dateless(cookie: &str) -> String {
    let parts = cookie
        .split(';')
        .filter(|part| !part.trim_start().starts_with("expires=") || part.contains("01 Jan 1970"));
    parts.collect::<Vec<_>>().join(";")
}

/// What a browser keeps.
struct Jar {
    cookies: Vec<String>,
}

impl Jar {
    fn of(header: Option<&str>) -> Self {
        let cookies = header.into_iter().flat_map(|header| header.split("; "));
        Self { cookies: cookies.map(str::to_owned).collect() }
    }

    fn header(&self) -> Option<String> {
        (!self.cookies.is_empty()).then(|| self.cookies.join("; "))
    }

    fn take(&mut self, outcome: &Outcome, settings: &DjangoSettings) {
        let name = if format!("{settings:?}").contains("\"sid\"") { "sid" } else { "sessionid" };
        for (name, value) in [("messages", &outcome.cookie), (name, &outcome.session_key)] {
            let Some(value) = value else { continue };
            self.cookies.retain(|cookie| !cookie.starts_with(&format!("{name}=")));
            if !value.is_empty() {
                self.cookies.push(format!("{name}={value}"));
            }
        }
    }
}
