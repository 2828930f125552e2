//! The vectors of `tests/vectors-writes.jsonl` that need neither a database nor a request.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::{
    SignedDuration,
    civil::{DateTime, date},
};
use serde_json::{Value, json};

use super::{
    Changes, CookieLife, DjangoSession, Expiry, ExpiryPolicy, SESSION_EXPIRY, SessionData,
    SessionKey, SessionSigner, iso_format::IsoFormat,
};
use crate::settings::DjangoSettings;

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// All vectors of a kind. `count` makes a lost line fail.
fn cases(kind: &str, count: usize) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors-writes.jsonl");
    let lines = std::fs::read_to_string(path).unwrap();
    let all = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let cases: Vec<_> = all.filter(|case| case["kind"] == kind).collect();
    assert_eq!(cases.len(), count, "vectors of kind {kind}");
    cases
}

/// `1700000000.123456`
fn moment(text: &Value) -> SystemTime {
    let (seconds, micros) = text.as_str().unwrap().split_once('.').unwrap();
    let micros = seconds.parse::<u64>().unwrap() * 1_000_000 + micros.parse::<u64>().unwrap();
    UNIX_EPOCH + Duration::from_micros(micros)
}

fn policy(case: &Value) -> ExpiryPolicy {
    let mut settings = DjangoSettings::new("k");
    for (name, value) in case["settings"].as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("SESSION_COOKIE_AGE", age) => settings.session_cookie_age = age.as_i64().unwrap(),
            ("SESSION_EXPIRE_AT_BROWSER_CLOSE", Value::Bool(yes)) => {
                settings.session_expire_at_browser_close = *yes;
            }
            ("USE_TZ", Value::Bool(yes)) => settings.use_tz = *yes,
            ("TIME_ZONE", Value::String(name)) => settings.time_zone.clone_from(name),
            other => panic!("{other:?}"),
        }
    }
    ExpiryPolicy::new(&settings).unwrap()
}

/// An instant as Python's `isoformat` writes it.
fn instant(text: &str) -> SystemTime {
    let IsoFormat { wall_clock, utc_offset } = IsoFormat::parse(text).unwrap();
    let since_1970 = wall_clock.duration_since(EPOCH) - utc_offset.unwrap();
    match since_1970.is_negative() {
        true => UNIX_EPOCH - since_1970.unsigned_abs(),
        false => UNIX_EPOCH + since_1970.unsigned_abs(),
    }
}

#[test]
fn what_is_not_set_is_as_in_django() {
    let ours = DjangoSettings::new("k");
    let ours = json!({
        "SESSION_COOKIE_AGE": ours.session_cookie_age,
        "SESSION_COOKIE_DOMAIN": ours.session_cookie_domain,
        "SESSION_COOKIE_HTTPONLY": ours.session_cookie_httponly,
        "SESSION_COOKIE_NAME": ours.session_cookie_name,
        "SESSION_COOKIE_PATH": ours.session_cookie_path,
        "SESSION_COOKIE_SAMESITE": ours.session_cookie_samesite,
        "SESSION_COOKIE_SECURE": ours.session_cookie_secure,
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": ours.session_expire_at_browser_close,
        "SESSION_SAVE_EVERY_REQUEST": ours.session_save_every_request,
        // Two of these belong to other engines. The default serializer and engine need no setting here.
        "SESSION_CACHE_ALIAS": "default",
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        "SESSION_FILE_PATH": null,
        "SESSION_SERIALIZER": "django.contrib.sessions.serializers.JSONSerializer",
    });
    for case in cases("defaults", 6) {
        assert_eq!(case["expect"]["SESSION"], ours, "{case}");
    }
}

#[test]
fn sessions_end_when_django_ends_them() {
    for case in cases("expiry", 64) {
        let data = SessionData::from_json(case["data_json"].as_str().unwrap()).unwrap();
        let (policy, now, expect) = (policy(&case), moment(&case["now"]), &case["expect"]);
        let life = policy.cookie_life(&data, now);
        let date = policy.expire_date(&data, now);
        if expect["status"] == 500 {
            assert!(life.is_err() || date.is_err(), "{case}");
            continue;
        }
        assert_eq!(date.unwrap(), instant(expect["expire_date"].as_str().unwrap()), "{case}");
        let cookie = expect["set_cookie"][0].as_str().unwrap();
        match life.unwrap() {
            CookieLife::Browser => assert!(!cookie.contains("Max-Age"), "{case}"),
            CookieLife::Until { max_age, expires } => {
                assert!(cookie.contains(&format!("; Max-Age={max_age};")), "{case}");
                let expires = EPOCH + SignedDuration::from_secs(expires);
                let expires = expires.strftime("; expires=%a, %d %b %Y %H:%M:%S GMT;").to_string();
                assert!(cookie.contains(&expires), "{expires} in {case}");
            }
        }
    }
}

#[test]
fn an_expiry_is_stored_as_django_stores_it() {
    let mut left_out = 0;
    for case in cases("set_expiry", 13) {
        let (policy, now) = (policy(&case), moment(&case["now"]));
        let argument = &case["ops"][1][1];
        let mut data = SessionData::new();
        data.insert("cart", &[1, 2]).unwrap();
        let expiry = if argument.is_null() {
            Expiry::Default
        } else if let Some(seconds) = argument["int"].as_i64() {
            Expiry::Seconds(seconds)
        } else if let Some(seconds) = argument["timedelta"].as_f64().filter(|&s| s >= 0.0) {
            Expiry::In(Duration::from_secs_f64(seconds))
        } else if argument["datetime"].as_str().is_some_and(|text| text.ends_with("+00:00")) {
            Expiry::At(instant(argument["datetime"].as_str().unwrap()))
        } else {
            // Values that Rust cannot express: seconds with a fraction, a time span before now, a date in
            // another zone or without one.
            left_out += 1;
            continue;
        };
        if let Some(json) = policy.stored(expiry, now).unwrap() {
            data.insert_json(SESSION_EXPIRY, &json).unwrap();
        }
        assert_eq!(data.to_json(), case["expect"]["data_json"].as_str().unwrap(), "{case}");
    }
    assert_eq!(left_out, 4);
}

#[test]
fn a_session_is_modified_and_empty_when_django_says_so() {
    let (mut compared, mut unlike, mut unread_keys) = (0, 0, 0);
    for case in cases("flags", 46) {
        let signer = Arc::new(SessionSigner::new(&DjangoSettings::new("s3cr3t-key")).unwrap());
        let row = case["rows"].as_array().and_then(|rows| rows.first()).map(|row| {
            let key = SessionKey::new(row["session_key"].as_str().unwrap()).unwrap();
            let session_data = row["session_data"].as_str().unwrap().to_owned();
            DjangoSession::new(key, SystemTime::now(), session_data, signer)
        });
        let mut changes = Changes::new(row.as_ref()).unwrap();
        let all_done = case["ops"].as_array().unwrap().iter().all(|op| done(op, &mut changes));
        // The middleware looks the row up at once. Before that, Django takes each key for a session.
        let unread = case["expect"]["end"]["accessed"] == false
            && case["rows"].is_null()
            && !case["session_key"].is_null();
        if !all_done {
            unlike += 1;
            continue;
        }
        if unread {
            unread_keys += 1;
            continue;
        }
        let end = &case["expect"]["end"];
        assert_eq!(changes.is_modified(), end["modified"], "{case}");
        assert_eq!(changes.is_empty(), end["empty"], "{case}");
        compared += 1;
    }
    assert_eq!((compared, unlike, unread_keys), (38, 7, 1));
}

/// Applies the step of a vector to a session, if this crate has it.
fn done(op: &Value, changes: &mut Changes) -> bool {
    let key = op[1].as_str().unwrap_or_default();
    match op[0].as_str().unwrap() {
        "get" | "has" | "item" | "keys" | "items" | "flags" | "bool" | "expiry_age"
        | "browser_close" | "test_cookie_worked" => {}
        "set" => changes.insert(key, &op[2]).unwrap(),
        "pop" | "del" => drop(changes.remove(key)),
        "try" => return done(&op[1], changes),
        "clear" => changes.clear(),
        "flush" => changes.flush(),
        "set_expiry" if op[1].is_null() => drop(changes.remove(SESSION_EXPIRY)),
        "set_expiry" => changes.insert(SESSION_EXPIRY, &op[1]["int"]).unwrap(),
        // Python's dictionary has these methods, and values that change without notice.
        "setdefault" | "update" | "set_test_cookie" | "delete_test_cookie" | "modified"
        | "nested" => return false,
        other => panic!("{other}"),
    }
    true
}
