//! Login, logout and the session auth hash as six versions of Django handled them: the lines of these
//! kinds in `tests/vectors-writes.jsonl`, each on a database with the same rows as Django had.
//!
//! Django's clock was stopped. The clock here runs, so expiries are compared by their distance from now.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_django_session::{
    AuthenticationBackend, DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite,
    Error, Event, PasswordHasher, SessionData, SessionEngine, SessionSigner,
};
use actix_web::{
    App,
    http::header::SET_COOKIE,
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::{
    beds::Bed,
    sessions::operations::{Outcome, operate},
};

pub(crate) const SECRET_KEY: &str = "s3cr3t-key";
pub(crate) const NOW: f64 = 1_700_000_000.123_456;
/// A custom expiry that does not depend on the clock.
const FIXED_END: &str = "\"_session_expiry\":\"2030";

/// The vectors that this crate does not follow: the beginning of the note, and the reason.
const OTHERWISE: [(&str, &str); 15] = [
    (
        "user id in the session that does not parse",
        "an invalid id counts as another user's: the session is flushed",
    ),
    ("two backends, none named", "refused before the session is changed"),
    ("login, then status 500", "a failed request saves nothing; Django loses the session"),
    ("login, then exception", "the same"),
    ("login with ATOMIC_REQUESTS", "a request is not a transaction here"),
    ("logout with ATOMIC_REQUESTS", "the same"),
    ("hash of a fallback, ATOMIC_REQUESTS", "the same"),
    ("login, row of the anonymous session deleted", "its data does not come back"),
    ("hash of a fallback, row deleted", "an ended session stays ended: 400"),
    ("logout after the row vanished", "a statement between two statements of Django"),
    ("inactive user can be logged in", "`user` never returns an inactive user"),
    ("user deleted meanwhile", "not logged in, and nothing is changed"),
    ("login(None)", "there is no user to log in"),
    ("hash of a fallback, status 500", "a failed request saves nothing; Django loses the session"),
    ("password changed here", "done in another way: see `log_in`"),
];

#[testbed::test]
async fn sessions_change_as_they_did_in_django() {
    let site = Settings::default().secret_key(SECRET_KEY);
    let bed = Bed::start(Django::default(), site).await;
    let mut done = BTreeMap::new();
    let (mut left_out, mut elsewhere) = (0, 0);
    let mut unused: BTreeSet<_> = OTHERWISE.iter().map(|(begin, _)| *begin).collect();
    for vector in vectors(&["async", "authenticate", "login", "logout", "hash_upgrade"]) {
        let note = vector["note"].as_str().unwrap();
        if let Some((begin, _)) = OTHERWISE.iter().find(|(begin, _)| note.starts_with(begin)) {
            unused.remove(begin);
            left_out += 1;
            continue;
        }
        // The next test and the test of sessions without users compare the others.
        if vector["users"].is_null() || vector["ops"][0][0] == "authenticate" {
            elsewhere += 1;
            continue;
        }
        let (ops, status) = operations_of(&vector);
        check(&bed, &vector, &ops, status).await;
        *done.entry(vector["kind"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert!(unused.is_empty(), "{unused:?}");
    let expected =
        [("async", 8), ("authenticate", 4), ("hash_upgrade", 20), ("login", 28), ("logout", 15)];
    assert_eq!(done, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
    assert_eq!((left_out, elsewhere), (18, 42));
}

/// Compares the user, the password in the row, and the number of runs of a hasher.
#[testbed::test]
async fn authenticate_finds_the_same_users_with_as_many_hashings_as_django() {
    let site = Settings::default().secret_key(SECRET_KEY);
    let bed = Bed::start(Django::default(), site).await;
    let (mut count, mut left_out) = (0, 0);
    for vector in vectors(&["async", "authenticate"]) {
        let op = &vector["ops"][0];
        let note = vector["note"].as_str().unwrap();
        if op[0] != "authenticate" {
            // The test before and the test of sessions without users compare these.
            continue;
        }
        // The vectors of `aauthenticate` have no upgrade. The ones of `authenticate` are compared.
        if note == "aauthenticate with an upgrade" {
            left_out += 1;
            continue;
        }
        // The crate's `authenticate` always has both arguments.
        let (Some(username), Some(password)) =
            (op[1]["username"].as_str(), op[1]["password"].as_str())
        else {
            left_out += 1;
            continue;
        };
        // If Django raises an exception, the crate finds no user; one query serves all backends.
        let (is_exception, runs) = match note {
            _ if note.starts_with("NUL in the user name") => (true, Some(1)),
            _ if note.starts_with("two backends: wrong password") => (false, Some(1)),
            _ => (false, None),
        };
        create_rows(&bed, &vector).await;
        let spent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&spent);
        let site = DjangoSite::new(bed.pool(), settings(&vector)).unwrap().on_event(move |event| {
            if event.name() == Event::PasswordHashed.name() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let found = site.authenticate(username, password).await;
        if note.starts_with("a backend that raises PermissionDenied") {
            assert!(matches!(found, Err(Error::ImproperlyConfigured(_))), "{found:?}");
            continue;
        }
        let found = found
            .unwrap()
            .map_or(Value::Null, |user| json!([user.parse_id::<i64>().unwrap(), user.backend()]));
        let expect = &vector["expect"];
        assert!(is_exception || found == expect["results"][0], "{note}: {found}");
        let theirs = expect["hash_runs"].as_array().into_iter().flatten().map(times).sum();
        assert_eq!(spent.load(Ordering::Relaxed), runs.unwrap_or(theirs), "{note}");
        check_users(&bed, expect, note).await;
        count += 1;
    }
    assert_eq!((count, left_out), (26, 4));
}

/// `pbkdf2_sha256$1000 * 2`
fn times(run: &Value) -> usize {
    run.as_str().unwrap().split_once(" * ").map_or(1, |(_, times)| times.parse().unwrap())
}

/// The vectors that the newest Django produced. Vectors of older versions only are left out.
pub(crate) fn vectors(kinds: &[&str]) -> Vec<Value> {
    let lines = include_str!("../../vectors-writes.jsonl").lines();
    let all = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let wanted = all.filter(|vector| {
        kinds.contains(&vector["kind"].as_str().unwrap())
            && vector["versions"].as_array().unwrap().contains(&json!("6.1.3"))
    });
    wanted.collect()
}

/// The operations of the handler, in the form of `operations`, and its status.
fn operations_of(vector: &Value) -> (Value, u16) {
    let mut status = vector["status"].as_u64().map_or(200, |status| u16::try_from(status).unwrap());
    let mut ops = Vec::new();
    for op in vector["ops"].as_array().unwrap() {
        let user = || if op[1] == 1 { "alice" } else { "bob" };
        match op[0].as_str().unwrap() {
            "login" => ops.push(json!(["login", user(), op[2]])),
            "update_session_auth_hash" => ops.push(json!(["update_session_auth_hash", user()])),
            "set" => ops.push(json!(["insert", op[1], op[2]])),
            "set_expiry" => ops.push(json!(["set_expiry", op[1]["int"]])),
            "user" | "logout" | "get" => ops.push(op.clone()),
            "request_user" => ops.push(json!(["user"])),
            "authenticate_login" => {
                ops.push(json!(["authenticate_login", op[1]["username"], op[1]["password"]]));
            }
            "raise" if op[1] == "Http404" => status = 404,
            "raise" => status = 500,
            other => panic!("{other}: {vector}"),
        }
    }
    (ops.into(), status)
}

async fn check(bed: &Bed, vector: &Value, ops: &Value, status: u16) {
    create_rows(bed, vector).await;
    let settings = settings(vector);
    let signer = SessionSigner::new(&settings).unwrap();
    let site = DjangoSite::new(bed.pool(), settings).unwrap();
    let outcome = operate(&site, vector["cookie"].as_str(), ops, status).await;

    let expect = &vector["expect"];
    let case = format!("{}: {}", vector["id"], vector["note"]);
    assert_eq!(outcome.status, expect["status"], "{case}");
    let expected = expect["set_cookie"].as_array().unwrap().iter();
    let expected: Vec<_> = expected.map(|text| cookie(text.as_str().unwrap())).collect();
    // Not every vector has Django's CSRF middleware; here the middleware always checks CSRF.
    let has_csrf = expected.iter().any(|cookie| cookie.starts_with("csrftoken"));
    let Outcome { set_cookie, .. } = outcome;
    let ours = set_cookie.iter().map(|text| cookie(text));
    let ours: Vec<_> = ours.filter(|cookie| has_csrf || !cookie.starts_with("csrftoken")).collect();
    assert_eq!(ours, expected, "{case}");

    check_rows(bed, &signer, vector, &case).await;
    check_users(bed, expect, &case).await;
}

async fn check_rows(bed: &Bed, signer: &SessionSigner, vector: &Value, case: &str) {
    let rows = bed
        .sql(
            "SELECT session_key, session_data, extract(epoch FROM expire_date - now())::float8, \
             extract(epoch FROM expire_date)::float8 FROM django_session",
        )
        .await;
    let ours: BTreeMap<String, Row> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = row[1].as_str().unwrap();
            let json = SessionData::decode(text, signer).map(|data| data.to_json().into_owned());
            let is_fixed = json.as_ref().is_ok_and(|json| json.contains(FIXED_END));
            let end = if is_fixed { &row[3] } else { &row[2] };
            let data = json.unwrap_or_else(|_| text.to_owned());
            (
                name(row[0].as_str().unwrap()),
                Row { data: without_random_parts(&data, vector), end: end.as_f64().unwrap() },
            )
        })
        .collect();
    let theirs: BTreeMap<String, Row> = vector["expect"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let data = row["data_json"].as_str().unwrap_or(row["session_data"].as_str().unwrap());
            let at = seconds(row["expire_date"].as_str().unwrap());
            let end = if data.contains(FIXED_END) { at } else { at - NOW };
            (
                name(row["session_key"].as_str().unwrap()),
                Row { data: without_random_parts(data, vector), end },
            )
        })
        .collect();
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{case}");
    for (ours, theirs) in ours.values().zip(theirs.values()) {
        assert_eq!(ours.data, theirs.data, "{case}");
        assert!((ours.end - theirs.end).abs() < 60.0, "{case}: {} not {}", ours.end, theirs.end);
    }
}

async fn check_users(bed: &Bed, expect: &Value, case: &str) {
    let users = bed
        .sql(
            "SELECT username, password, now() - last_login BETWEEN '0' AND '1 minute' \
             FROM auth_user ORDER BY id",
        )
        .await;
    let expected = expect["users"].as_array().unwrap();
    for (ours, theirs) in users.as_array().unwrap().iter().zip(expected) {
        assert_eq!(ours[0], theirs["username"], "{case}");
        assert_eq!(ours[2].is_null(), theirs["last_login"].is_null(), "{case}");
        assert_ne!(ours[2], false, "{case}");
        // A password that was encoded again has another salt.
        let parameters = |password: &Value| {
            let parts = password.as_str().unwrap().split('$').map(str::to_owned);
            parts.take(2).collect::<Vec<_>>()
        };
        assert_eq!(parameters(&ours[1]), parameters(&theirs["password"]), "{case}");
    }
}

#[derive(Debug)]
struct Row {
    data: String,
    /// In seconds from now, or since 1970.
    end: f64,
}

/// Creates the rows that the vector starts with.
pub(crate) async fn create_rows(bed: &Bed, vector: &Value) {
    bed.sql("DELETE FROM django_session").await;
    bed.sql("DELETE FROM auth_user").await;
    let quoted = |text: &Value| format!("'{}'", text.as_str().unwrap().replace('\'', "''"));
    for user in vector["users"].as_array().into_iter().flatten() {
        bed.sql(&format!(
            "INSERT INTO auth_user (id, username, password, is_active, is_staff, is_superuser, \
             first_name, last_name, email, date_joined) \
             VALUES ({}, {}, {}, {}, false, false, '', '', '', now())",
            user["id"],
            quoted(&user["username"]),
            quoted(&user["password"]),
            user["is_active"]
        ))
        .await;
    }
    for row in vector["rows"].as_array().unwrap() {
        bed.sql(&format!(
            "INSERT INTO django_session VALUES \
             ({}, {}, now() + ({}::timestamptz - to_timestamp({NOW})))",
            quoted(&row["session_key"]),
            quoted(&row["session_data"]),
            quoted(&row["expire_date"])
        ))
        .await;
    }
}

pub(crate) fn settings(vector: &Value) -> DjangoSettings {
    // The iterations of Django 6.1, unless the vector names others.
    let iterations = vector["hasher_iterations"].as_u64().unwrap_or(1_500_000);
    let iterations = u32::try_from(iterations).unwrap();
    let fallbacks = vector["fallbacks"].as_array().cloned().unwrap_or_default();
    let mut settings = DjangoSettings::new(SECRET_KEY);
    settings.secret_key_fallbacks =
        fallbacks.iter().map(|key| key.as_str().unwrap()).map(Into::into).collect();
    settings.password_hashers = Some(vec![
        PasswordHasher::Pbkdf2Sha256 { iterations },
        PasswordHasher::Pbkdf2Sha1 { iterations },
    ]);
    settings.write_sessions = true;
    for (name, value) in vector["settings"].as_object().into_iter().flatten() {
        match name.as_str() {
            "AUTHENTICATION_BACKENDS" => {
                let paths = value.as_array().unwrap().iter();
                let paths = paths.map(|path| match path.as_str().unwrap() {
                    own @ "writes_make.OtherBackend" => {
                        AuthenticationBackend::new(own).with(|b| b.checks_passwords = Some(true))
                    }
                    path => AuthenticationBackend::new(path),
                });
                settings.authentication_backends = paths.collect()
            }
            "CSRF_USE_SESSIONS" => settings.csrf_use_sessions = value == true,
            "SESSION_SAVE_EVERY_REQUEST" => settings.session_save_every_request = value == true,
            "SESSION_EXPIRE_AT_BROWSER_CLOSE" => {
                settings.session_expire_at_browser_close = value == true
            }
            "SESSION_ENGINE" if value == "django.contrib.sessions.backends.cached_db" => {
                settings.session_engine = SessionEngine::CachedDb
            }
            "MIDDLEWARE" | "LOGIN_REDIRECT_URL" => {}
            other => panic!("{other}"),
        }
    }
    settings
}

/// The session key if the vector has it, or "new".
pub(crate) fn name(key: &str) -> String {
    if key.starts_with("visitor") { key.to_owned() } else { "new".to_owned() }
}

/// A `Set-Cookie` without the parts that depend on chance or on the clock.
pub(crate) fn cookie(text: &str) -> String {
    let parts = text.split("; ").map(|part| match part.split_once('=') {
        Some(("sessionid", "\"\"")) => part.to_owned(),
        Some(("sessionid", key)) => format!("sessionid={}", name(key)),
        Some(("csrftoken", _)) => "csrftoken".to_owned(),
        Some(("expires", _)) => "expires".to_owned(),
        // The seconds until 2030.
        Some(("Max-Age", age)) if age.parse::<u64>().unwrap() > 31_449_600 => "Max-Age".to_owned(),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// The data without its random parts: a CSRF secret, and the hash of a password that was encoded again.
pub(crate) fn without_random_parts(data: &str, vector: &Value) -> String {
    let passwords = |users: &Value| -> Vec<Value> {
        users.as_array().into_iter().flatten().map(|user| user["password"].clone()).collect()
    };
    let was_encoded = passwords(&vector["users"]) != passwords(&vector["expect"]["users"]);
    let data = without(data, "\"_csrftoken\":\"");
    if was_encoded { without(&data, "\"_auth_user_hash\":\"") } else { data }
}

fn without(data: &str, key: &str) -> String {
    match data.split_once(key) {
        Some((before, rest)) => {
            let (_, after) = rest.split_once('"').unwrap();
            format!("{before}{key}..\"{after}")
        }
        None => data.to_owned(),
    }
}

/// `2023-11-28T22:13:20.123456+00:00` in seconds since 1970.
pub(crate) fn seconds(text: &str) -> f64 {
    let number = |from: usize, to: usize| text[from..to].parse::<f64>().unwrap();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (y, m) = if month > 2.0 { (year, month - 3.0) } else { (year - 1.0, month + 9.0) };
    let leaps = (y / 4.0).floor() - (y / 100.0).floor() + (y / 400.0).floor();
    let days = 365.0 * y + leaps + ((153.0 * m + 2.0) / 5.0).floor() + day - 1.0 - 719_468.0;
    days * 86_400.0 + number(11, 13) * 3600.0 + number(14, 16) * 60.0 + number(17, 26)
}

/// Compares Django's login and logout views with the handlers of the guide: the rows and the cookies. The
/// application decides on the text of the pages and on the redirects.
#[testbed::test]
async fn a_form_does_what_djangos_views_do() {
    const ALIKE: [&str; 8] = [
        "LoginView: right password",
        "LoginView: right password, anonymous session, next",
        "LoginView: wrong password: 200, nothing written",
        "LoginView: inactive user: 200, nothing written",
        "LoginView: without the CSRF token: 403",
        "LoginView: a space behind the password is part of it",
        "LogoutView: POST",
        "LogoutView: POST without a session",
    ];
    let site = Settings::default().secret_key(SECRET_KEY);
    let bed = Bed::start(Django::default(), site).await;
    let (mut done, mut left_out) = (Vec::new(), 0);
    for vector in vectors(&["flow"]) {
        let note = vector["note"].as_str().unwrap();
        if !ALIKE.contains(&note) {
            left_out += 1;
            continue;
        }
        create_rows(&bed, &vector).await;
        let mut settings = settings(&vector);
        settings.allowed_hosts = vec!["testserver".into()];
        let signer = SessionSigner::new(&settings).unwrap();
        let site = DjangoSite::new(bed.pool(), settings).unwrap();
        let expect = &vector["expect"];
        let outcome = send_form(&site, &vector).await;
        // A form that is shown again has its own status 200.
        assert_eq!(outcome.status == 403, expect["status"] == 403, "{note}");
        let expected = expect["set_cookie"].as_array().unwrap().iter();
        let mut expected: Vec<_> = expected.map(|text| cookie(text.as_str().unwrap())).collect();
        if expect["status"] == 200 {
            // The page has a new token.
            expected.retain(|cookie| !cookie.starts_with("csrftoken"));
        }
        let ours: Vec<_> = outcome.set_cookie.iter().map(|text| cookie(text)).collect();
        assert_eq!(ours, expected, "{note}");
        check_rows(&bed, &signer, &vector, note).await;
        check_users(&bed, expect, note).await;
        done.push(note.to_owned());
    }
    assert_eq!(done.len(), ALIKE.len(), "{done:?}");
    // Redirects, errors of the forms, and pages that belong to the service.
    assert_eq!(left_out, 13);
}

#[derive(serde::Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

async fn send_form(site: &DjangoSite, vector: &Value) -> Outcome {
    let log_in = async |session: DjangoSessionMut,
                        site: web::Data<DjangoSite>,
                        form: web::Form<Credentials>| {
        let user = site.authenticate(form.username.trim(), &form.password).await?;
        if let Some(user) = &user {
            session.login(user).await?;
        }
        Ok::<_, Error>(if user.is_some() { "in" } else { "wrong" })
    };
    let log_out = async |session: DjangoSessionMut| {
        session.logout().await?;
        Ok::<_, Error>("out")
    };
    let app = App::new()
        .app_data(web::Data::new(site.clone()))
        .wrap(DjangoSessionMiddleware::optional(site.clone()))
        .route("/accounts/login/", web::post().to(log_in))
        .route("/accounts/logout/", web::post().to(log_out));
    let app = init_service(app).await;
    let path = vector["path"].as_str().unwrap().split('?').next().unwrap();
    let mut request = TestRequest::post()
        .uri(path)
        .insert_header(("Host", "testserver"))
        .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
        .set_payload(vector["body"].as_str().unwrap().to_owned());
    if let Some(cookie) = vector["cookie"].as_str() {
        request = request.insert_header(("Cookie", cookie));
    }
    let response = call_service(&app, request.to_request()).await;
    let set_cookie = response.headers().get_all(SET_COOKIE);
    let set_cookie = set_cookie.map(|text| text.to_str().unwrap().to_owned()).collect();
    Outcome { status: response.status().as_u16().into(), set_cookie, results: Value::Null }
}
