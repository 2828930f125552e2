//! What six versions of Django did in one request. Their clock was stopped, so the test moves their times to
//! the current time. If Django had no request, only the rows are compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

use actix_django_session::{DjangoSettings, SessionEngine, SessionKey};
use serde_json::{Value, json};
use testbed::{Django, Settings};

use crate::{beds::Bed, sessions::operations::operate};

/// The time at which the vectors were made.
const NOW: f64 = 1_700_000_000.123_456;

/// The vectors on which this crate differs from Django, each with its reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("save/013", "`DjangoSessionMut` reads the session: the cookie of an invalid key is deleted"),
    ("save/017", "the same, and clearing an empty session is not an error"),
    ("save/019", "an expired session counts as no session, like an unknown one"),
    ("save/022", "an expired row stays for `clear_expired`"),
    ("save/023", "an expired session cannot be restored"),
    ("request/009", "a failed request cycles no key"),
    ("request/022", "a session that another request ended stays ended"),
    ("request/023", "data that another client saved is kept: here, data with an invalid signature"),
    ("request/024", "the middleware has read the session by then"),
    ("request/041", "data that is not a dictionary counts as empty, without a 500"),
    ("request/053", "the middleware has read the session: an invalid key is replaced by a new one"),
    ("request/054", "a deleted session is a 400 in the handler too"),
    ("request/055", "as in 053"),
    ("store/009", "an unknown key is replaced by a new one"),
    ("store/013", "data that another client saved is kept: here, data with an invalid signature"),
    ("store/021", "a session that another request ended stays ended"),
    ("store/024", "an expired row stays for `clear_expired`"),
    ("store/040", "the JSON of this test's request has its keys in another order"),
    ("sliding/006", "a request without a session does not create one"),
    ("sliding/008", "the same"),
    ("sliding/018", "the same"),
    ("clear_expired/001", "the clock runs: a session that expires now has expired"),
    ("async/008", "a request saves changed data"),
    ("async/011", "the clock runs, as in clear_expired/001"),
    ("cached_db/016", "the cache is not read here"),
    ("cached_db/017", "the same; it is saved, and a 503 says that Django's copy is unchanged"),
    ("cached_db/019", "a 503 says that Django's copy is unchanged"),
    ("cached_db/020", "a 503 instead of a 500"),
];

/// The kinds of vectors. Those of `redis` have two session engines.
const KINDS: [&str; 9] = [
    "async",
    "cached_db",
    "clear_expired",
    "csrf_session",
    "redis",
    "request",
    "save",
    "sliding",
    "store",
];

#[testbed::test]
async fn one_request_behaves_as_in_six_versions_of_django() {
    let bed = Bed::start(Django::default(), Settings::default().secret_key("s3cr3t-key")).await;
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors-writes.jsonl"));
    let text = text.unwrap();
    let (mut compared, mut left_out) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
    let (mut different, mut wrong) = (BTreeSet::new(), Vec::new());
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let kind = case["kind"].as_str().unwrap();
        if !KINDS.contains(&kind) {
            continue;
        }
        let id = case["id"].as_str().unwrap().strip_prefix("main/").unwrap();
        let vector = match Vector::of(&case, &bed) {
            Ok(vector) => vector,
            Err(reason) => {
                *left_out.entry(reason).or_default() += 1;
                continue;
            }
        };
        *compared.entry(kind.to_owned()).or_default() += 1;
        let (actual, expected) = (vector.actual(&bed).await, vector.expected(&bed).await);
        if let Some((id, _)) = DIFFERENT.iter().find(|(other, _)| *other == id) {
            assert_ne!(actual, expected, "{id} now behaves as in Django");
            different.insert(*id);
        } else if actual != expected {
            wrong.push(format!(
                "{id} {}\n  {}\n  here {actual}\n  there {expected}",
                case["note"], case["ops"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(different.len(), DIFFERENT.len());
    let expected = [
        ("async", 9),
        ("cached_db", 21),
        ("clear_expired", 2),
        ("csrf_session", 5),
        ("redis", 3),
        ("request", 40),
        ("save", 42),
        ("sliding", 19),
        ("store", 31),
    ];
    let compared: BTreeMap<_, _> = compared.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    assert_eq!(compared, BTreeMap::from(expected));
    let expected = [
        ("a clock that is changed", 2),
        ("a date of a certain year lies elsewhere, seen from now", 3),
        ("a request is not a transaction here", 7),
        ("an engine that is not supported: sessions in a cache or in files", 8),
        ("session::vectors compares the expiries that Rust can express", 3),
        ("keys are random, and never used twice", 2),
        ("keys that collide: they are drawn, and of 190 bits", 3),
        ("newer versions answer otherwise", 16),
        ("an operation on another session than the request's, or on its row only", 8),
        ("refused at the start", 1),
        ("Python values that JSON cannot hold", 3),
        ("values that change without a call of the session", 2),
        ("with users: compared by login::vectors", 11),
    ];
    assert_eq!(left_out, BTreeMap::from(expected));
}

struct Vector<'a> {
    case: &'a Value,
    ops: Vec<Value>,
    status: u16,
    settings: DjangoSettings,
    /// Whether the hook that deletes Django's cached copy fails.
    hook_fails: bool,
}

impl<'a> Vector<'a> {
    /// Reads a case. `Err`: the reason why the crate cannot run it.
    fn of(case: &'a Value, bed: &Bed) -> Result<Self, &'static str> {
        if !case["versions"].as_array().unwrap().contains(&json!("6.1.3")) {
            return Err("newer versions answer otherwise");
        }
        if !case["users"].is_null() {
            return Err("with users: compared by login::vectors");
        }
        let fallbacks = case["fallbacks"].as_array().into_iter().flatten();
        let mut settings = DjangoSettings::new("s3cr3t-key");
        settings.secret_key_fallbacks =
            fallbacks.map(|key| key.as_str().unwrap()).map(Into::into).collect();
        settings.write_sessions = true;
        for (name, value) in case["settings"].as_object().into_iter().flatten() {
            match &**name {
                "SESSION_SAVE_EVERY_REQUEST" => {
                    settings.session_save_every_request = *value == true
                }
                "SESSION_EXPIRE_AT_BROWSER_CLOSE" => {
                    settings.session_expire_at_browser_close = *value == true
                }
                "SESSION_ENGINE" if value == "django.contrib.sessions.backends.cached_db" => {
                    settings.session_engine = SessionEngine::CachedDb
                }
                "SESSION_ENGINE" => {
                    return Err("an engine that is not supported: sessions in a cache or in files");
                }
                "CSRF_USE_SESSIONS" => settings.csrf_use_sessions = *value == true,
                "MIDDLEWARE" | "CACHES" => {}
                "SESSION_COOKIE_SAMESITE" if value == "bogus" => {
                    return Err("refused at the start");
                }
                other => panic!("{other}"),
            }
        }
        let mut status = case["status"].as_u64().unwrap_or(200) as u16;
        let mut ops = Vec::new();
        for op in case["ops"].as_array().unwrap() {
            ops.push(match op[0].as_str().unwrap() {
                "set" => json!(["insert", op[1], op[2]]),
                "pop" => json!(["remove", op[1]]),
                "set_expiry" if op[1].is_null() => json!(["set_expiry", null]),
                "set_expiry" if op[1]["int"].is_i64() => json!(["set_expiry", op[1]["int"]]),
                "create" => json!(["save"]),
                "csrf_token" => json!(["get_token"]),
                "get" | "clear" | "flush" | "cycle_key" | "save" | "clear_expired" => op.clone(),
                "sql" => json!(["sql", op[1], bed.bed().database_url()]),
                "raise" => {
                    status = match op[1].as_str().unwrap() {
                        "Http404" => 404,
                        "PermissionDenied" => 403,
                        "BadRequest" => 400,
                        _ => 500,
                    };
                    continue;
                }
                // The crate has no such operation; the test compares only the rows.
                "flags" => continue,
                "try" if *op == json!(["try", ["save"]]) => json!(["save"]),
                other => return Err(why_not(other)),
            });
        }
        // A fixed date has another distance from the current time.
        let dated = |row: &Value| {
            let json = row["data_json"].as_str().unwrap_or_default();
            json.contains(r#""_session_expiry":"20"#)
        };
        let is_dated = case["rows"].as_array().unwrap().iter().any(dated);
        if case["atomic_requests"] == true {
            return Err("a request is not a transaction here");
        }
        if !case["next_keys"].is_null() {
            return Err("keys that collide: they are drawn, and of 190 bits");
        }
        if is_dated {
            return Err("a date of a certain year lies elsewhere, seen from now");
        }
        let hook_fails = !case["cache_error"].is_null();
        Ok(Self { case, ops, status, settings, hook_fails })
    }

    /// The status, the cookies of the response, and the rows.
    async fn actual(&self, bed: &Bed) -> Value {
        bed.sql("DELETE FROM django_session").await;
        let offset = now() - NOW;
        let before = self.case["rows"].as_array().unwrap();
        for row in before {
            let ends = bed.ask(json!({ "cmd": "epoch", "moment": row["expire_date"] })).await;
            bed.ask(json!({
                "cmd": "put_row", "key": row["session_key"], "session_data": row["session_data"],
                "expire_date": ends["epoch"].as_f64().unwrap() + offset,
            }))
            .await;
        }
        let hook_fails = self.hook_fails;
        let site = bed.site_with(self.settings.clone()).on_session_change(move |_: SessionKey| {
            let message = if hook_fails { Err(std::io::Error::other("down")) } else { Ok(()) };
            std::future::ready(message)
        });
        let ops = Value::from(self.ops.clone());
        let key = self.case["session_key"].as_str().map(|key| format!("sessionid={key}"));
        let cookie = self.case["cookie"].as_str().or(key.as_deref());
        let outcome = operate(&site, cookie, &ops, self.status).await;
        let rows = bed.sql("SELECT session_key FROM django_session ORDER BY session_key").await;
        let mut after = Vec::new();
        for row in rows.as_array().unwrap() {
            let key = row[0].as_str().unwrap();
            let session = site.load_at(&SessionKey::new(key).unwrap(), UNIX_EPOCH).await.unwrap();
            let text = session.session_data();
            let read = bed.ask(json!({ "cmd": "decode", "session_data": text })).await;
            let ends = session.expire_date().duration_since(UNIX_EPOCH);
            let known = before.iter().any(|row| row["session_key"] == key);
            let name = if known { key } else { "new" };
            after.push((
                name.to_owned(),
                without_secret(&read["json"]),
                ends.unwrap().as_secs_f64() - offset,
            ));
        }
        if self.has_no_request() {
            return self.result_of(0, Vec::new(), after);
        }
        let cookies =
            outcome.set_cookie.iter().map(|cookie| comparable_cookie(cookie, before)).collect();
        self.result_of(outcome.status, cookies, after)
    }

    async fn expected(&self, bed: &Bed) -> Value {
        let (before, expect) = (self.case["rows"].as_array().unwrap(), &self.case["expect"]);
        let mut after = Vec::new();
        for row in expect["rows"].as_array().unwrap() {
            let ends = bed.ask(json!({ "cmd": "epoch", "moment": row["expire_date"] })).await;
            let json = row["data_json"].as_str().unwrap_or("{}");
            let json = bed.ask(json!({ "cmd": "canonical", "json_text": json })).await;
            let known = before.iter().any(|other| other["session_key"] == row["session_key"]);
            let name = if known { row["session_key"].as_str().unwrap() } else { "new" };
            after.push((
                name.to_owned(),
                without_secret(&json["json"]),
                ends["epoch"].as_f64().unwrap(),
            ));
        }
        if self.has_no_request() {
            return self.result_of(0, Vec::new(), after);
        }
        let cookies = expect["set_cookie"].as_array().unwrap().iter();
        let cookies =
            cookies.map(|cookie| comparable_cookie(cookie.as_str().unwrap(), before)).collect();
        self.result_of(expect["status"].as_u64().unwrap(), cookies, after)
    }

    fn has_no_request(&self) -> bool {
        self.case["expect"]["status"].is_null()
    }

    fn result_of(
        &self,
        status: u64,
        cookies: Vec<String>,
        rows: Vec<(String, Value, f64)>,
    ) -> Value {
        // Rounded to some minutes, because the clock runs here.
        let mut rows: Vec<_> = rows
            .into_iter()
            .map(|(key, json, ends)| format!("{key} {json} {:.0}", ends / 600.0))
            .collect();
        rows.sort();
        json!({ "status": status, "cookies": cookies, "rows": rows })
    }
}

/// The data without its CSRF secret, which is random.
fn without_secret(json: &Value) -> Value {
    match json.as_str().and_then(|json| json.split_once("\"_csrftoken\": \"")) {
        Some((before, rest)) => format!("{before}_csrftoken {}", rest.len()).into(),
        None => json.clone(),
    }
}

/// The reason why handlers here do not have this operation of Django.
fn why_not(op: &str) -> &'static str {
    match op {
        "atomic" => "a request is not a transaction here",
        "clock" => "a clock that is changed",
        "delete" | "exists" | "load" => {
            "an operation on another session than the request's, or on its row only"
        }
        "modified" | "nested" => "values that change without a call of the session",
        "set_expiry" => "session::vectors compares the expiries that Rust can express",
        "set_object" | "set_tuple" => "Python values that JSON cannot hold",
        "try" => "keys are random, and never used twice",
        other => panic!("{other}"),
    }
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

/// A cookie without its random key and without the parts that depend on the time.
fn comparable_cookie(cookie: &str, before: &[Value]) -> String {
    let known = |key: &str| before.iter().any(|row| row["session_key"] == key) || key == "\"\"";
    let parts = cookie.split("; ").filter(|part| !part.starts_with("expires="));
    let parts = parts.map(|part| match part.split_once('=') {
        Some(("sessionid", key)) if !known(key) => "sessionid=new".to_owned(),
        Some(("csrftoken", _)) => "csrftoken=new".to_owned(),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("; ")
}
