//! What six versions of Django did with sessions in signed cookies. Their clock was stopped, so the test
//! signs the cookies again with the same age.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_django_session::{DjangoSettings, DjangoSite, SessionEngine, signing::TimestampSigner};
use serde_json::{Value, json};

use crate::{
    beds::{nowhere, pool},
    sessions::operations::operate,
};

const SECRET_KEY: &str = "s3cr3t-key";
const SALT: &str = "django.contrib.sessions.backends.signed_cookies";

/// The vectors on which this crate differs from Django. In all of them Django's pages see the same session.
const DIFFERENT: &[(&str, &str)] = &[
    ("signed_cookie/010", "`DjangoSessionMut` reads the session: an invalid cookie is deleted"),
    ("signed_cookie/011", "the same, and Django replaces it by the cookie of an empty session"),
    ("signed_cookie/012", "as 011"),
    ("signed_cookie/019", "as 011"),
    ("signed_cookie/021", "data that is not a dictionary counts as empty, without a 500"),
    ("signed_cookie_load/002", "the clock runs: the cookie is older by then"),
];

#[testbed::test]
async fn a_session_in_a_cookie_changes_as_it_did_in_django() {
    let (mut compared, mut different, mut wrong) = (BTreeMap::<_, usize>::new(), 0, Vec::new());
    for vector in vectors() {
        let id = vector["id"].as_str().unwrap().strip_prefix("main/").unwrap().to_owned();
        let expected = expected(&vector);
        let actual = actual(&vector).await;
        if DIFFERENT.iter().any(|(other, _)| *other == id) {
            assert_ne!(actual, expected, "{id} now behaves as in Django");
            different += 1;
        } else if actual != expected {
            wrong.push(format!("{id} {}\n  here {actual}\n  there {expected}", vector["note"]));
        } else {
            *compared.entry(vector["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(different, DIFFERENT.len());
    let expected = [("signed_cookie", 18), ("signed_cookie_load", 4)];
    assert_eq!(compared, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
}

fn vectors() -> impl Iterator<Item = Value> {
    let lines = include_str!("../../vectors-writes.jsonl").lines();
    let all = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|vector| vector["kind"].as_str().unwrap().starts_with("signed_cookie"))
}

/// The status, what the handler saw, and the cookies of the response.
async fn actual(vector: &Value) -> Value {
    let fallbacks = vector["fallbacks"].as_array().into_iter().flatten();
    let mut settings = DjangoSettings::new(SECRET_KEY);
    settings.secret_key_fallbacks =
        fallbacks.map(|key| key.as_str().unwrap()).map(Into::into).collect();
    settings.session_engine = SessionEngine::SignedCookies;
    settings.write_sessions = true;
    for (name, value) in vector["settings"].as_object().into_iter().flatten() {
        match &**name {
            "SESSION_ENGINE" => {}
            "SESSION_SAVE_EVERY_REQUEST" => settings.session_save_every_request = *value == true,
            "SESSION_COOKIE_AGE" => settings.session_cookie_age = value.as_i64().unwrap(),
            other => panic!("{other}"),
        }
    }
    let site = DjangoSite::new(pool(&nowhere()), settings).unwrap();
    let mut ops = Vec::new();
    for op in operations(vector) {
        match op[0].as_str().unwrap() {
            "set" => ops.push(json!(["insert", op[1], op[2]])),
            "pop" => ops.push(json!(["remove", op[1]])),
            "set_expiry" => ops.push(json!(["set_expiry", op[1]["int"]])),
            "items" => ops.extend([json!(["get", "cart"]), json!(["get", "theme"])]),
            _ => ops.push(op),
        }
    }
    let cookie = vector["cookie"].as_str().map(|cookie| cookie.strip_prefix("sessionid=").unwrap());
    let cookie = cookie.or(vector["value"].as_str()).map(|text| signed_before_now(text, vector));
    let cookie = cookie.map(|text| format!("sessionid={text}"));
    let status = vector["status"].as_u64().unwrap_or(200) as u16;
    let mut outcome = operate(&site, cookie.as_deref(), &ops.into(), status).await;
    if vector["expect"]["status"].is_null() {
        // Django had no request in this vector.
        outcome.set_cookie.clear();
    }
    let mut results = outcome.results.as_array().into_iter().flatten();
    let mut next = || results.next().cloned().unwrap_or_default();
    let done = operations(vector);
    let seen = done.iter().map(|op| match op[0].as_str().unwrap() {
        "items" => json!({ "cart": next(), "theme": next() }),
        "get" => next(),
        _ => {
            next();
            Value::Null
        }
    });
    let seen = seen.collect();
    result_of(outcome.status, seen, &outcome.set_cookie)
}

fn expected(vector: &Value) -> Value {
    let expect = &vector["expect"];
    let cookies = expect["set_cookie"].as_array().into_iter().flatten();
    let cookies: Vec<_> = cookies.map(|cookie| cookie.as_str().unwrap().to_owned()).collect();
    let results = expect["results"].as_array().into_iter().flatten().cloned();
    let results = match expect["data_json"].as_str() {
        Some(json) => vec![serde_json::from_str(json).unwrap()],
        None => results.collect::<Vec<_>>(),
    };
    let done = operations(vector);
    let seen = done.iter().zip(results).map(|(op, result)| {
        let of = |name: &str| {
            let pairs = result.as_array().into_iter().flatten();
            let mut values = pairs.filter(|pair| pair[0] == name).map(|pair| pair[1].clone());
            result.get(name).cloned().or(values.next()).unwrap_or_default()
        };
        match op[0].as_str().unwrap() {
            "items" => json!({ "cart": of("cart"), "theme": of("theme") }),
            "get" => result,
            _ => Value::Null,
        }
    });
    let seen = seen.collect();
    result_of(expect["status"].as_u64().unwrap_or(200), seen, &cookies)
}

fn operations(vector: &Value) -> Vec<Value> {
    match vector["kind"] == "signed_cookie_load" {
        true => vec![json!(["items"])],
        false => vector["ops"].as_array().unwrap().clone(),
    }
}

/// The cookie as Django would have signed it at the same distance before the current time.
fn signed_before_now(text: &str, vector: &Value) -> String {
    let text = text.trim_matches('"');
    let keys = vector["fallbacks"].as_array().into_iter().flatten();
    let keys = keys.map(|key| key.as_str().unwrap()).chain([SECRET_KEY]);
    let then: f64 = vector["load_at"].as_str().or(vector["now"].as_str()).unwrap().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    for key in keys {
        let signer = TimestampSigner::new(key).unwrap().salt(SALT);
        if let Ok((value, seconds)) = signer.unsign_with_timestamp(text) {
            return signer.sign_at(value, seconds + (now.floor() - then.floor()) as i64);
        }
    }
    text.to_owned()
}

fn result_of(status: u64, mut seen: Vec<Value>, cookies: &[String]) -> Value {
    if status == 500 {
        // The result that a failed response would have reported.
        seen.clear();
    }
    let answered = cookies.iter().filter(|cookie| cookie.starts_with("sessionid="));
    let answered: Vec<_> = answered
        .map(|cookie| {
            let (value, attributes) = cookie.split_once("; ").unwrap();
            let value = value.strip_prefix("sessionid=").unwrap();
            let signer = TimestampSigner::new(SECRET_KEY).unwrap().salt(SALT);
            let json = signer.unsign_json(value, None).unwrap_or_else(|_| value.to_owned());
            let attributes = attributes.split("; ").filter(|part| !part.starts_with("expires="));
            let is_compressed = value.starts_with('.');
            format!("{json} {is_compressed} {}", attributes.collect::<Vec<_>>().join("; "))
        })
        .collect();
    json!({ "status": status, "seen": seen, "cookies": answered })
}
