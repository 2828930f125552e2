//! Django and this crate read the same session: both give the same verdict and the same data.
//!
//! Intended differences are listed, each with its reason. A test fails if a listed difference no
//! longer occurs.

use std::time::{Duration, SystemTime};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, Error, SessionKey,
};
use actix_web::{App, web};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::{
    app::{TestApp, report, routes},
    beds::{Bed, Rng, seed, settings},
};

/// A change of the text after it was signed.
type Damage = fn(&str) -> String;

/// A numbered case of Django's behaviour: a row and a request.
struct Case {
    number: u32,
    what: String,
    /// The arguments of the oracle's `sign_row`, or of `put_row` if they have `session_data`.
    row: Value,
    /// A change of the text after it was signed.
    damage: Option<Damage>,
    /// The row's key; `None` for a new key.
    key: Option<String>,
    /// The `Cookie` header, with `{key}` where the key belongs.
    cookie: Vec<u8>,
}

impl Case {
    fn new(number: u32, what: impl Into<String>, row: Value) -> Self {
        Self {
            number,
            what: what.into(),
            row,
            damage: None,
            key: None,
            cookie: b"sessionid={key}".into(),
        }
    }

    fn key(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    fn cookie(mut self, cookie: impl AsRef<[u8]>) -> Self {
        self.cookie = cookie.as_ref().into();
        self
    }

    fn header(&self, key: &str) -> Vec<u8> {
        match self.cookie.windows(5).position(|bytes| bytes == b"{key}") {
            None => self.cookie.clone(),
            Some(at) => [&self.cookie[..at], key.as_bytes(), &self.cookie[at + 5..]].concat(),
        }
    }
}

/// User ids that Django reads and never writes: 1.9, `true` and " 1 " are user 1.
/// Here they name no user, or they are not numbers.
const ODD_IDS: &[u32] = &[3, 4, 5, 8];

/// Cases in which Django's `get_user` refuses the user of the session: no such user, not active,
/// unknown backend, wrong hash. `DjangoUserId` does not check the user, and its documentation says so.
const USER_CHECKS: &[u32] = &[11, 12, 13, 14, 15, 16, 18, 19, 25];

/// Cases in which Django answers every use of the session with a 500, and this crate has its own error:
/// values that are not ids or not hashes, data that is not a dictionary, NUL in the key.
const FAILURES: &[u32] = &[9, 10, 17, 26, 49];

fn cases(hash: &str, graces_hash: &str, idles_hash: &str, key_salt: &str) -> Vec<Case> {
    let backend = r#""django.contrib.auth.backends.ModelBackend""#;
    let user = |id: &str, backend: &str, hash: &str| {
        format!(
            r#"{{"_auth_user_id":{id},"_auth_user_backend":{backend},"_auth_user_hash":{hash}}}"#
        )
    };
    let quoted = |hash: &str| format!(r#""{hash}""#);
    let hash = quoted(hash);
    let ada = user(r#""1""#, backend, &hash);
    let json = |number, json: String| {
        let what = json.chars().take(80).collect::<String>();
        Case::new(number, what, json!({ "obj_json": json }))
    };
    let with = |extra: &str| format!("{},{extra}}}", &ada[..ada.len() - 1]);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let raw = |number, what: &str, bytes: &[u8]| {
        Case::new(number, what, json!({ "obj_hex": hex(bytes) }))
    };
    let mut cases = vec![
        json(1, ada.clone()),
        json(2, user("1", backend, &hash)),
        json(3, user("1.0", backend, &hash)),
        json(4, user("1.9", backend, &hash)),
        json(5, user("true", backend, &hash)),
        json(6, user("false", backend, &hash)),
        json(7, user("null", backend, &hash)),
        json(10, user("Infinity", backend, &hash)),
        json(12, format!(r#"{{"_auth_user_backend":{backend},"_auth_user_hash":{hash}}}"#)),
        json(12, format!(r#"{{"_auth_user_id":"1","_auth_user_hash":{hash}}}"#)),
        json(18, user(r#""3""#, backend, &quoted(idles_hash))),
        json(18, user(r#""3""#, backend, &hash)),
        json(19, user(r#""999""#, backend, &hash)),
        json(22, with(r#""x":NaN"#)),
        json(22, with(r#""x":[Infinity,-Infinity]"#)),
        json(22, with(r#""x":1E400"#)),
        json(22, with(&format!(r#""x":{}"#, "9".repeat(4_300)))),
        json(22, with(r#""x":"\ud800""#)),
        json(22, with(r#""\udc00":1"#)),
        raw(22, "0xe9", &[with(r#""x":""#).trim_end_matches('}').as_bytes(), b"\xe9\"}"].concat()),
        json(22, with("\"x\":\"\u{7f}\"")),
        json(23, with(&format!(r#""x":{}"#, "9".repeat(4_301)))),
        json(24, with(&format!(r#""x":{}{}"#, "[".repeat(500), "]".repeat(500)))),
        json(24, with(&format!(r#""x":{}{}"#, "[".repeat(20_000), "]".repeat(20_000)))),
        json(25, with(r#""_auth_user_id":"2""#)),
        json(25, format!(r#"{{"_auth_user_id":"2",{}"#, &ada[1..])),
        json(27, "{}".into()),
        json(28, format!(r#"{{"x":"{}"}}"#, "y".repeat(1 << 20))),
        json(
            28,
            format!(
                "{{{}}}",
                (0..10_000).map(|i| format!(r#""k{i}":{i}"#)).collect::<Vec<_>>().join(",")
            ),
        ),
        json(32, format!("\u{feff}{ada}")),
        json(32, with(r#""x":1,"#)),
        json(32, with("\"x\":\"\n\"")),
        json(32, "{'a':1}".into()),
        json(33, format!(" \t\r\n{} \n", ada.replace(',', " , ").replace("\":", "\" :\n"))),
        json(34, with("\"x\":\"é漢😀\",\"é\":1")),
        raw(35, "a pickle", b"\x80\x04}\x94\x8c\x01a\x94K\x01s."),
    ];
    let one = r#""1\u0000""#;
    for id in [r#""""#, r#""abc""#, r#""1.0""#, "[]", "{}", "NaN", one] {
        cases.push(json(9, user(id, backend, &hash)));
    }
    for id in [r#"" 1 ""#, r#""+1""#, r#""01""#, r#""1\n""#, "\"\\uff11\""] {
        cases.push(json(8, user(id, backend, &hash)));
    }
    let ten_to_30 = format!("1{}", "0".repeat(30));
    for id in ["2147483648", "9223372036854775808", &ten_to_30, r#""-1""#, r#""0""#, "-1", "0"] {
        cases.push(json(11, user(id, backend, &hash)));
    }
    for backend in [r#""elsewhere.Backend""#, r#""""#, "null", "5", "[]"] {
        cases.push(json(13, user(r#""1""#, backend, &hash)));
    }
    cases.push(json(13, user(r#""1""#, &backend.replace("d\"", "d \""), &hash)));
    cases.push(json(14, format!(r#"{{"_auth_user_id":"1","_auth_user_backend":{backend}}}"#)));
    for falsy in [r#""""#, "null", "0", "false", "[]"] {
        cases.push(json(14, user(r#""1""#, backend, falsy)));
    }
    for wrong in [
        quoted(&"0".repeat(64)),
        hash.to_uppercase(),
        quoted(&format!("{} ", hash.trim_matches('"'))),
        quoted(&hash.trim_matches('"')[..63]),
        quoted(graces_hash),
    ] {
        cases.push(json(15, user(r#""1""#, backend, &wrong)));
    }
    for odd in ["1", "true", "1.5", r#"{"a":1}"#] {
        cases.push(json(16, user(r#""1""#, backend, odd)));
    }
    cases.push(json(17, user(r#""1""#, backend, r#""\ud800""#)));
    for other in ["[]", "null", "5", "true", r#""x""#, r#"[["a",1]]"#] {
        cases.push(json(26, other.into()));
    }
    for (level, compress) in [(0, "always"), (9, "always"), (6, "always")] {
        let row = json!({ "obj_json": ada, "level": level, "compress": compress });
        cases.push(Case::new(29, format!("level {level}"), row));
    }
    for how in ["trailing", "raw", "gzip", "truncated", "adler", "twice"] {
        let number = if ["trailing", "twice"].contains(&how) { 29 } else { 30 };
        cases.push(Case::new(number, how, json!({ "stream": how, "obj_json": ada })));
    }
    let body = |junk: fn(String) -> String| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        junk(STANDARD.encode(with("\"x\":\"\u{7f}?>?>?\"").as_bytes()))
    };
    for (what, body) in [
        ("=", body(|body| body.trim_end_matches('=').to_owned() + "==")),
        ("junk", body(|body| format!("!{} é\n{}", &body[..9], &body[9..]))),
        ("+/", body(|body| body)),
    ] {
        cases.push(Case::new(31, what, json!({ "body": body })));
    }
    for (what, row) in [
        ("salt", json!({ "obj_json": ada, "salt": key_salt.replace("DjangoSite", "CustomStore") })),
        ("secret", json!({ "obj_json": ada, "secret": "another" })),
        ("empty", json!({ "session_data": "" })),
        ("garbage", json!({ "session_data": "garbage" })),
        ("before 3.1", json!({ "session_data": "ZTQ2Y2I6eyJhIjoxfQ==" })),
    ] {
        cases.push(Case::new(36, what, row));
    }
    let damages: [(&str, Damage); 5] = [
        ("=", |text| format!("{text}=")),
        ("newline", |text| format!("{text}\n")),
        ("truncated", |text| text[..text.len() - 1].to_owned()),
        ("upper case", str::to_uppercase),
        ("leading space", |text| format!(" {text}")),
    ];
    for (what, damage) in damages {
        cases
            .push(Case { damage: Some(damage), ..Case::new(36, what, json!({ "obj_json": ada })) });
    }
    for timestamp in [Value::Null, json!(""), json!("!!")] {
        let row = json!({ "obj_json": ada, "timestamp": timestamp });
        cases.push(Case::new(37, format!("timestamp {timestamp}"), row));
    }
    for timestamp in
        [json!(0), json!(7_258_118_400_u64), json!("-1"), json!("-"), json!("00001r31eq")]
    {
        let row = json!({ "obj_json": ada, "timestamp": timestamp });
        cases.push(Case::new(38, format!("timestamp {timestamp}"), row));
    }

    let cookie = |number, what: &str, key: &str, cookie: &[u8]| {
        Case::new(number, what, json!({ "obj_json": ada })).key(key).cookie(cookie)
    };
    let a = "aaaaaaaaaaaaaaaa";
    cases.extend([
        cookie(44, "7 characters", "1234567", b"sessionid={key}"),
        cookie(45, "8 characters", "12345678", b"sessionid={key}"),
        cookie(46, "40 characters", &"k".repeat(40), b"sessionid={key}"),
        cookie(46, "41 characters", &"k".repeat(40), b"sessionid={key}k"),
        cookie(47, "upper case", "lowercasekey", b"sessionid=LOWERCASEKEY"),
        cookie(48, "UTF-8", "éééééééé", b"sessionid={key}"),
        cookie(48, "four emoji", "😀😀😀😀", b"sessionid={key}"),
        cookie(49, "NUL", "aaaaaaa", b"sessionid=\"aaaaaaa\\000a\""),
        cookie(50, "no UTF-8", a, b"sessionid={key}\xff"),
        cookie(51, "two, last good", a, b"sessionid=bbbbbbbbbb; sessionid={key}"),
        cookie(51, "two, first good", a, b"sessionid={key}; sessionid=bbbbbbbbbb"),
        cookie(52, "last empty", a, b"sessionid={key}; sessionid="),
        cookie(53, "last no pair", a, b"sessionid={key}; sessionid"),
        cookie(54, "quoted", a, b"sessionid=\"{key}\""),
        cookie(55, "octal", a, b"sessionid=\"\\141aaaaaaaaaaaaaaa\""),
        cookie(56, "percent", a, b"sessionid=%61aaaaaaaaaaaaaaa"),
        cookie(56, "percent, literally", "%61aaaaaaaaaaaaaa", b"sessionid={key}"),
        cookie(57, "space", a, b" sessionid = {key} "),
        cookie(58, "odd neighbours", a, b"foo; =x; sessionid={key};;"),
        cookie(59, "upper-case name", a, b"SESSIONID={key}"),
        cookie(60, "comma", "AAAAAAAA, sessionid=B", b"sessionid={key}"),
        cookie(60, "comma, no row", a, b"sessionid={key}, sessionid=B"),
        cookie(61, "semicolon in quotes", "aaaaaaaa\"", b"x=\"a;sessionid={key}"),
        cookie(62, "single quotes", "'aaaaaaaa'", b"sessionid={key}"),
        cookie(62, "single quotes, no row", a, b"sessionid='{key}'"),
        cookie(63, "$Version", a, b"$Version=1; sessionid={key}; $Path=/"),
        cookie(64, "NBSP", a, b"sessionid=\xc2\xa0{key}\xc2\xa0"),
        cookie(66, "100 kB", a, format!("sessionid={}", "a".repeat(100_000)).as_bytes()),
    ]);
    cases
}

#[testbed::test]
async fn numbered_cases_get_the_verdict_of_django() {
    for django in Django::available().unwrap() {
        // A separate database, because some of the keys are fixed.
        let bed = Bed::start(django, Settings::default()).await;
        let mut hashes = Vec::new();
        for name in ["ada", "grace", "idle"] {
            let user = bed.ask(json!({ "cmd": "get_user", "username": name })).await;
            hashes.push(user["session_auth_hash"].as_str().unwrap().to_owned());
        }
        let middleware = DjangoSessionMiddleware::optional(bed.site());
        let app = TestApp::start(move || {
            App::new().service(web::scope("").wrap(middleware.clone()).configure(routes))
        });
        let salt = "django.contrib.sessions.SessionStore";
        let mut deviations = Vec::new();
        for case in cases(&hashes[0], &hashes[1], &hashes[2], salt) {
            let odd = oracle_case(&bed, &app, &case).await;
            deviations.extend(odd.map(|kind| (case.number, kind, case.what.clone())));
        }
        let lists = [("id", ODD_IDS), ("user", USER_CHECKS), ("failure", FAILURES)];
        for (kind, number) in
            lists.iter().flat_map(|(kind, list)| list.iter().map(move |n| (kind, n)))
        {
            let found = deviations.iter().any(|(n, other, _)| n == number && other == kind);
            assert!(found, "{django}: case {number} does not differ any more ({kind})");
        }
    }
}

/// Compares one case. If the case is a listed difference, checks that the list names it, and returns
/// the name of the list.
async fn oracle_case(bed: &Bed, app: &TestApp, case: &Case) -> Option<&'static str> {
    let name = format!("{}, case {}: {}", bed.django, case.number, case.what);
    let key = match &case.key {
        Some(key) => key.clone(),
        None => SessionKey::generate().as_str().to_owned(),
    };
    bed.sql("DELETE FROM django_session").await;
    let mut row = case.row.clone();
    row["cmd"] = if row["session_data"].is_null() { "sign_row" } else { "put_row" }.into();
    row["key"] = key.clone().into();
    let signed = bed.ask(row).await["session_data"].take();
    if let Some(damage) = case.damage {
        let damaged = damage(signed.as_str().unwrap());
        bed.ask(json!({ "cmd": "put_row", "key": key, "session_data": damaged })).await;
    }

    let header = case.header(&key);
    let cookie: String = header.iter().copied().map(char::from).collect();
    let oracle = &bed.oracle;
    let django = oracle.ask(json!({ "cmd": "read_session", "cookie": cookie })).await;
    let visit = bed.ask(json!({ "cmd": "visit", "cookie": cookie })).await;
    let answer = app.get_with_cookie("/optional", &header).await;
    assert_eq!(answer.status, 200, "{name}: {answer:?}");
    let rust = answer.json();

    let Ok(django) = django else {
        // Django cannot query the database with such a key. No session has it.
        assert!(FAILURES.contains(&case.number) && rust.is_null(), "{name}: {rust}");
        assert_eq!(visit["status"], 500, "{name}");
        return Some("failure");
    };
    assert_same_session(bed, &name, &django, &rust).await;
    if rust.is_null() || rust["json"].is_null() {
        assert_ne!(visit["verdict"]["is_authenticated"], true, "{name}: {visit}");
        let fails = visit["status"] == 500;
        assert!(!fails || FAILURES.contains(&case.number), "{name}: {visit}");
        return fails.then_some("failure");
    }

    // The user id in the session.
    // `false` is number 0: no user on either side.
    let odd_id = ODD_IDS.contains(&case.number) || case.number == 6;
    let by_number = app.get_with_cookie("/number", &header).await;
    if !odd_id && django["user_error"].is_null() {
        assert_eq!(rust["user_id"], django["user_id"], "{name}");
    } else if !odd_id {
        assert!(FAILURES.contains(&case.number), "{name}: {django}");
        // The id must not be user 1.
        assert_ne!(by_number.status, 200, "{name}");
    }
    // The user after all checks.
    let user = match by_number.status {
        200 => Value::from(by_number.text()),
        _ => Value::Null,
    };
    match &visit["verdict"]["user_id"] {
        Value::Null if visit["status"] == 500 => {
            assert!(FAILURES.contains(&case.number), "{name}: {visit}");
            Some("failure")
        }
        known if *known == user => None,
        Value::Null => {
            assert!(USER_CHECKS.contains(&case.number), "{name}: {visit}");
            Some("user")
        }
        _ => {
            // It must never be another user.
            assert!(odd_id && user.is_null(), "{name}: {visit} {user}");
            Some("id")
        }
    }
}

/// Compares the oracle's `read_session` and this crate's report of one session.
async fn assert_same_session(bed: &Bed, name: &str, django: &Value, rust: &Value) {
    assert_eq!(rust["key"], django["key"], "{name}: whether the session exists");
    let djangos = django["json"].as_str().unwrap();
    match rust["json"].as_str() {
        None if rust.is_null() => assert_eq!(djangos, "{}", "{name}"),
        // Django continues with an empty session, or with a value that is not a dictionary.
        None => assert!(djangos == "{}" || !djangos.starts_with('{'), "{name}: {djangos}"),
        Some(json) => {
            assert_eq!(django["warned"], false, "{name}");
            let canonical = bed.ask(json!({ "cmd": "canonical", "json_text": json })).await;
            assert_eq!(canonical["json"], djangos, "{name}");
        }
    }
}

#[testbed::test]
async fn secrets_may_be_bytes_and_have_fallbacks() {
    // Cases 20, 21 and 39: the secret that signed the data, and whether the data is read.
    let unprintable = json!({ "hex": "fffe" });
    for django in Django::available().unwrap() {
        let site = Settings::default()
            .set("SECRET_KEY", "\u{e9}")
            .set("SECRET_KEY_FALLBACKS", json!(["old", unprintable]));
        let bed = Bed::start(django, site).await;
        let mut settings = DjangoSettings::new("\u{e9}".as_bytes());
        settings.secret_key_fallbacks = vec![(&b"old"[..]).into(), b"\xff\xfe".into()];
        let site = bed.site_with(settings);
        for (secret, read) in [
            (json!({ "secret": "\u{e9}" }), true),
            (json!({ "secret_hex": "c3a9" }), true),
            (json!({ "secret": "old" }), true),
            (json!({ "secret_hex": "fffe" }), true),
            (json!({ "secret_hex": "fffd" }), false),
        ] {
            let mut row = secret.clone();
            let key = SessionKey::generate();
            row["cmd"] = "sign_row".into();
            row["key"] = key.as_str().into();
            row["obj_json"] = r#"{"a":1}"#.into();
            bed.ask(row).await;
            let cookie = format!("sessionid={}", key.as_str());
            let session = bed.ask(json!({ "cmd": "read_session", "cookie": cookie })).await;
            let rust = report(&site.load(&key).await.unwrap());
            assert_same_session(&bed, &secret.to_string(), &session, &rust).await;
            assert_eq!(rust["json"].is_string(), read, "{secret}");
        }
    }
}

/// Case 40: Django uses its main key in place of an empty fallback here, and accepts a session auth hash
/// that was made with the empty key. This crate refuses such settings.
#[test]
fn an_empty_fallback_is_refused() {
    let pool = crate::beds::pool("postgres://user@127.0.0.1/nowhere");
    let error = DjangoSite::new(
        pool,
        settings().with(|s| s.secret_key_fallbacks = vec!["old".into(), "".into()]),
    )
    .unwrap_err();
    assert!(error.to_string().contains("SECRET_KEY_FALLBACKS"), "{error}");
}

/// Case 41: a session expires exactly at its `expire_date`.
#[testbed::test]
async fn a_session_ends_at_the_very_microsecond() {
    for django in Django::available().unwrap() {
        let bed = Bed::of(django).await;
        let site = bed.site();
        let key = bed.login("ada").await;
        let ends = expire_date(&site, &key).await;
        let mut verdicts = Vec::new();
        for now in around(ends) {
            let question =
                json!({ "cmd": "read_session", "cookie": cookie(&key), "now": seconds(now) });
            let rust = rust_at(&site, &key, now).await;
            assert_same_session(bed, "around the end", &bed.ask(question).await, &rust).await;
            verdicts.push(!rust.is_null());
        }
        assert_eq!(verdicts, [true, true, false, false, false]);
    }
}

#[testbed::test]
async fn random_sessions_get_the_verdict_of_django() {
    let versions = Django::available().unwrap();
    let mut tally = Tally::default();
    for (seed, &django) in (seed()..).zip(&versions) {
        let bed = Bed::of(django).await;
        // The total is the same for any number of Django versions.
        let question =
            json!({ "cmd": "make_sessions", "seed": seed, "count": 2_000 / versions.len() });
        let made = bed.ask(question).await;
        compare(bed, seed, &made, &mut tally).await;
    }
    println!("{tally:?}");
    assert!(tally.sessions > 1_990, "{tally:?}");
    assert!(tally.none > 100, "{tally:?}");
    assert!(tally.undecodable > 100, "{tally:?}");
    assert!(tally.named > 300, "{tally:?}");
}

#[testbed::test]
async fn unusual_texts_with_a_valid_signature_get_the_verdict_of_django() {
    let versions = Django::available().unwrap();
    let mut tally = Tally::default();
    for (seed, &django) in (seed()..).zip(&versions) {
        let bed = Bed::of(django).await;
        let count = 1_500 / versions.len();
        let question = json!({ "cmd": "make_odd_sessions", "seed": seed ^ 2, "count": count });
        compare(bed, seed, &bed.ask(question).await, &mut tally).await;
    }
    println!("{tally:?}");
    assert!(tally.undecodable > 300, "{tally:?}");
    assert!(tally.sessions - tally.undecodable > 300, "{tally:?}");
}

#[derive(Debug, Default)]
struct Tally {
    sessions: usize,
    none: usize,
    undecodable: usize,
    named: usize,
}

/// Compares both sides on each session, at times far from and close to its end.
async fn compare(bed: &Bed, seed: u64, made: &Value, tally: &mut Tally) {
    let site = bed.site();
    let mut rng = Rng(seed);
    let mut cases = Vec::new();
    for session in made["sessions"].as_array().unwrap() {
        let key = session["key"].as_str().unwrap();
        let now = match rng.below(3) {
            0 => around(expire_date(&site, key).await)[rng.below(5)],
            _ => SystemTime::now(),
        };
        let rust = rust_at(&site, key, now).await;
        cases.push((key, seconds(now), rust));
    }

    let questions: Vec<_> = cases
        .iter()
        .map(|(key, now, _)| json!({ "cmd": "read_session", "cookie": cookie(key), "now": now }))
        .collect();
    // If no user is logged in, as with the unusual texts, a whole request shows nothing more.
    let visits: Vec<_> = cases
        .iter()
        .map(|(key, now, rust)| match rust["user_id"].is_string() || rng.below(4) == 0 {
            true => json!({ "cmd": "visit", "cookie": cookie(key), "now": now }),
            false => json!({ "cmd": "batch", "commands": [] }),
        })
        .collect();
    let canonical: Vec<_> = cases
        .iter()
        .map(|(_, _, rust)| rust["json"].as_str().unwrap_or("{}"))
        .map(|json| json!({ "cmd": "canonical", "json_text": json }))
        .collect();
    let oracle = &bed.oracle;
    let djangos = oracle.ask_all(questions).await.unwrap();
    let visits = oracle.ask_all(visits).await.unwrap();
    let canonical = oracle.ask_all(canonical).await.unwrap();

    let answers = djangos.iter().zip(visits).zip(canonical);
    for ((key, now, rust), ((django, visit), canonical)) in cases.iter().zip(answers) {
        let name = format!("{}, seed {seed}, {key} at {now}: {django}", bed.django);
        let name = name.chars().take(2_000).collect::<String>();
        tally.sessions += 1;
        assert_eq!(rust["key"], django["key"], "{name}: whether the session exists");
        let json = django["json"].as_str().unwrap();
        if rust.is_null() {
            tally.none += 1;
            assert_eq!(json, "{}", "{name}");
        } else if rust["json"].is_null() {
            tally.undecodable += 1;
            assert!(json == "{}" || !json.starts_with('{'), "{name}");
        } else {
            assert_eq!(canonical["json"], json, "{name}");
            assert_eq!(django["warned"], false, "{name}");
        }

        let known = &visit["verdict"]["user_id"];
        let user = &rust["user_id"];
        if user.is_string() {
            tally.named += 1;
        }
        if django["user_error"].is_null() && user.is_string() {
            // Ids that Django reads and never writes are in the list `ODD_IDS` above.
            let canonical = user.as_str().unwrap().parse::<i64>().map(|id| id.to_string());
            assert!(
                canonical.is_err() || canonical.unwrap() == django["user_id"].as_str().unwrap(),
                "{name}: {user}"
            );
        }
        if known.is_string() {
            let stored: Value = serde_json::from_str(json).unwrap_or_default();
            let written_by_django = stored["_auth_user_id"].is_string() || stored.is_null();
            assert!(known == user || !written_by_django, "{name}: {visit} {user}");
        }
    }
}

async fn rust_at(site: &DjangoSite, key: &str, now: SystemTime) -> Value {
    match site.load_at(&SessionKey::new(key).unwrap(), now).await {
        Ok(session) => report(&session),
        Err(Error::SessionNotFound | Error::SessionExpired) => Value::Null,
        Err(error) => panic!("{key}: {error}"),
    }
}

/// The `expire_date` of the row.
async fn expire_date(site: &DjangoSite, key: &str) -> SystemTime {
    let key = SessionKey::new(key).unwrap();
    site.load_at(&key, SystemTime::UNIX_EPOCH).await.unwrap().expire_date()
}

/// A cookie with this value, whose characters may be any bytes, written as Latin-1.
fn cookie(key: &str) -> String {
    let quoted = key.replace('\\', "\\\\").replace('"', "\\\"");
    // A semicolon ends the cookie even in quotes.
    let quoted = quoted.replace(';', "\\073");
    format!("sessionid=\"{quoted}\"").bytes().map(char::from).collect()
}

/// Five times around a moment, in order.
fn around(moment: SystemTime) -> [SystemTime; 5] {
    let (microsecond, second) = (Duration::from_micros(1), Duration::from_secs(1));
    [moment - second, moment - microsecond, moment, moment + microsecond, moment + second]
}

/// Seconds since 1970. A double is exact enough for Python to round it to the same microsecond.
fn seconds(moment: SystemTime) -> f64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_micros() as f64 / 1e6
}
