//! The examples, started as a user starts them.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    time::{Duration, Instant},
};

use awc::{
    error::{WsClientError, WsProtocolError as ProtocolError},
    ws::{Frame, Message},
};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use reqwest::{Response, redirect::Policy};
use serde_json::{Value, json};
use testbed::{Django, Settings};
use tokio::time::timeout;

use crate::beds::{ALLOW_ALL, Bed, MODEL_BACKEND, new_key};

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

/// A running example. It ends when this value is dropped.
struct Example(testbed::Example);

impl Example {
    fn run(name: &str, bed: &Bed, environment: &[(&str, &str)]) -> Self {
        Self(testbed::Example::run(name, bed.url(), environment).unwrap())
    }

    fn url(&self) -> &str {
        self.0.url()
    }

    /// The status, the `Location` and the body.
    async fn get(&self, path: &str, session_key: &str) -> (u16, Option<String>, String) {
        let client = testbed::http_client().redirect(Policy::none()).build().unwrap();
        let request = client.get(format!("{}{path}", self.url()));
        let answer =
            request.header("Cookie", format!("sessionid={session_key}")).send().await.unwrap();
        let to = header(&answer, "location").map(Into::into);
        (answer.status().as_u16(), to, answer.text().await.unwrap())
    }

    async fn account(&self, session_key: &str) -> Option<Value> {
        match self.get("/account", session_key).await {
            (200, _, body) => Some(serde_json::from_str(&body).unwrap()),
            (302, to, _) => {
                assert_eq!(to.unwrap(), "/accounts/login/?next=/account");
                None
            }
            other => panic!("{other:?}"),
        }
    }
}

#[testbed::test]
async fn whoami_shows_the_account() {
    let bed = Bed::new().await;
    let permissions = ["shop.view_item", "shop.add_item", "blog.add_post"];
    bed.user("alice", json!({ "password": "x", "permissions": permissions })).await;
    bed.user("root", json!({ "password": "x", "is_superuser": true, "is_staff": true })).await;
    let (alice, root) = (bed.login("alice").await, bed.login("root").await);
    let whoami = Example::run("whoami", &bed, &[]);

    // The same bytes, including the order of the permissions.
    let (status, _, body) = whoami.get("/account", &alice).await;
    assert_eq!(status, 200);
    let outcome: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({
        "id": "1", "username": "alice", "is_staff": false, "is_superuser": false,
        "permissions": ["blog.add_post", "shop.add_item", "shop.view_item"],
    });
    assert_eq!(outcome, expected);
    let root = whoami.account(&root).await.unwrap();
    assert_eq!((&root["is_staff"], &root["is_superuser"]), (&json!(true), &json!(true)));
    let all = root["permissions"].as_array().unwrap();
    assert!(all.is_sorted_by_key(|name| name.as_str().unwrap()) && all.len() > 20);

    assert_eq!(whoami.account("unknown-key").await, None);
    bed.user("alice", json!({ "password": "changed" })).await;
    assert_eq!(whoami.account(&alice).await, None);
    // The data of the session is still the same.
    assert_eq!(whoami.get("/user", &alice).await.0, 200);
}

#[testbed::test]
async fn whoami_reads_backends_and_the_user_table_from_the_environment() {
    let bed = Bed::of_model("bigint.BigUser").await;
    bed.user("alice", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
    let alice = bed.login("alice").await;
    let table = ("AUTH_USER_TABLE", "bigint_biguser");
    let account = Example::run("whoami", &bed, &[table]).account(&alice).await.unwrap();
    assert_eq!(account["permissions"], json!(["shop.add_item"]));

    let both = format!(" {ALLOW_ALL} , {MODEL_BACKEND}");
    for (backends, listed) in [(ALLOW_ALL, false), (&both, true), (MODEL_BACKEND, true)] {
        let whoami = Example::run("whoami", &bed, &[table, ("AUTHENTICATION_BACKENDS", backends)]);
        assert_eq!(whoami.account(&alice).await.is_some(), listed, "{backends}");
    }
}

#[testbed::test]
async fn whoami_reads_what_a_site_exported() {
    let mut bed = Bed::without_users(
        Django::default(),
        &Settings::default()
            .auth_user_model("members.Member")
            .secret_key_fallbacks(["tea", "coffee"])
            .authentication_backends(["accounts.backends.ByAddress", MODEL_BACKEND])
            .login_url("login"),
    )
    .await;
    bed.move_to_schema("shop").await;
    bed.user("ada@example.com", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
    let ada = bed.login("ada@example.com").await;

    let file = env::temp_dir().join(format!("{}.json", new_key()));
    fs::write(&file, bed.export().await).unwrap();
    let environment = [
        ("DJANGO_SETTINGS", file.to_str().unwrap()),
        ("DJANGO_SECRET_KEY_FALLBACKS", "tea,coffee"),
        // If the settings come from the file, none of these variables is used.
        ("AUTH_USER_TABLE", "no_such_table"),
        ("LOGIN_URL", "/elsewhere/"),
    ];
    let whoami = Example::run("whoami", &bed, &environment);
    let account = whoami.account(&ada).await.unwrap();
    assert_eq!(account["username"], "ada@example.com");
    assert_eq!(account["permissions"], json!(["shop.add_item"]));
    let anonymous = whoami.get("/account", "unknown-key").await;
    assert_eq!(anonymous.1.as_deref(), Some("/accounts/login/?next=/account"));
    fs::remove_file(file).unwrap();
}

/// The error is reported at the start, not at the first request; the table can be created while the service
/// runs.
#[testbed::test]
async fn whoami_reports_a_missing_table_at_the_start() {
    let bed = Bed::new().await;
    bed.user("alice", json!({ "password": "x" })).await;
    let alice = bed.login("alice").await;
    bed.sql("ALTER TABLE auth_user RENAME TO away").await;

    let mut whoami = Example::run("whoami", &bed, &[]);
    let mut message = BufReader::new(whoami.0.stderr().unwrap()).lines();
    let named = "no table \"auth_user\"";
    assert!(message.any(|line| line.unwrap().contains(named)));
    assert_eq!(whoami.get("/account", &alice).await.0, 503);
    assert_eq!(whoami.get("/user", &alice).await.0, 200);
    bed.sql("ALTER TABLE away RENAME TO auth_user").await;
    assert_eq!(whoami.account(&alice).await.unwrap()["username"], "alice");
}

#[testbed::test]
async fn auth_version_ends_the_sessions_that_django_ends() {
    for django in Django::available().unwrap() {
        let settings = Settings::default().auth_user_model("versioned.VersionedUser");
        let bed = Bed::without_users(django, &settings).await;
        bed.user("ada", json!({ "password": "x", "auth_version": 3 })).await;
        let key = bed.login("ada").await;
        let table = ("AUTH_USER_TABLE", "versioned_versioneduser");
        let example = Example::run("auth_version", &bed, &[table]);
        let account = example.get("/account", &key).await;
        assert_eq!((account.0, account.2.as_str()), (200, "ada, auth version 3"));
        bed.user("ada", json!({ "auth_version": 4 })).await;
        assert_eq!(example.get("/account", &key).await.0, 302);
        assert_eq!(bed.verdict(&key).await["user"], Value::Null, "{django}");
        assert_eq!(example.get("/account", &bed.login("ada").await).await.0, 200);
    }
}

/// Users whom django-otp verified, in every state of a device and a session.
#[testbed::test]
async fn two_factor_admits_users_whom_django_otp_verified() {
    let login_page = "/account/two_factor/?next=/account";
    for django in Django::available().unwrap() {
        let settings = Settings::default()
            .package("django-otp==1.7.5")
            .set(
                "EXTRA_APPS",
                json!([
                    "django_otp",
                    "django_otp.plugins.otp_static",
                    "django_otp.plugins.otp_totp"
                ]),
            )
            .set("EXTRA_MIDDLEWARE", json!(["django_otp.middleware.OTPMiddleware"]));
        let bed = Bed::without_users(django, &settings).await;
        for name in ["ada", "ben"] {
            bed.user(name, json!({ "password": "x" })).await;
        }
        // Devices: ada's, ada's without confirmation, ben's, and one that is a secret on a phone.
        for (user, confirmed) in [("ada", true), ("ada", false), ("ben", true)] {
            bed.sql(&format!(
                "INSERT INTO otp_static_staticdevice (user_id, name, confirmed, throttling_failure_count) \
                 SELECT id, 'device', {confirmed}, 0 FROM auth_user WHERE username = '{user}'"
            ))
            .await;
        }
        let example = Example::run("two_factor", &bed, &[]);
        let anonymous = example.get("/account", "unknown-key").await;
        assert_eq!(anonymous.1.as_deref(), Some(login_page));

        let mut verified = Vec::new();
        for device in [
            json!("otp_static.staticdevice/1"),
            json!("otp_static.StaticDevice/1"),
            json!("otp_static.staticdevice/2"),
            json!("otp_static.staticdevice/3"),
            json!("otp_static.staticdevice/4"),
            json!("otp_totp.totpdevice/1"),
            json!("no.such/1"),
            json!("auth.user/1"),
            json!("otp_static.staticdevice/x"),
            json!("otp_static.staticdevice/"),
            json!("otp_static.staticdevice"),
            json!("/1"),
            json!(""),
            json!(null),
            json!(1),
            json!(true),
            json!([]),
            json!({}),
        ] {
            let question =
                json!({ "cmd": "login", "username": "ada", "data": { "otp_device_id": device } });
            let key = bed.ask(question).await["key"].as_str().unwrap().to_owned();
            let verdict = bed.verdict(&key).await;
            let expected = if verdict["is_verified"] == true { 200 } else { 302 };
            assert_eq!(
                example.get("/account", &key).await.0,
                expected,
                "{django}, {device}: {verdict}"
            );
            if expected == 200 {
                verified.push(key);
            }
        }
        assert_eq!(verified.len(), 2);
        let one = bed.login("ada").await;
        assert_eq!(bed.verdict(&one).await["is_verified"], false);
        assert_eq!(example.get("/account", &one).await.1.as_deref(), Some(login_page));

        // A phone was stolen: after its device is deleted, the session is not verified any more.
        for (statement, expected) in [
            ("UPDATE otp_static_staticdevice SET confirmed = false", false),
            ("UPDATE otp_static_staticdevice SET confirmed = true", true),
            ("DELETE FROM otp_static_staticdevice WHERE id = 1", false),
        ] {
            bed.sql(statement).await;
            assert_eq!(bed.verdict(&verified[0]).await["is_verified"], expected, "{statement}");
            let status = if expected { 200 } else { 302 };
            assert_eq!(example.get("/account", &verified[0]).await.0, status, "{statement}");
        }
    }
}

#[testbed::test]
async fn impersonation_acts_as_the_same_user_as_in_django() {
    for django in Django::available().unwrap() {
        let settings = Settings::default()
            .package("django-impersonate==1.9.5")
            .set("EXTRA_APPS", json!(["impersonate"]))
            .set("EXTRA_MIDDLEWARE", json!(["impersonate.middleware.ImpersonateMiddleware"]));
        let bed = Bed::without_users(django, &settings).await;
        let fields = |staff: bool, superuser: bool| json!({ "password": "x", "is_staff": staff, "is_superuser": superuser });
        let mut pks = Vec::new();
        for (name, staff, superuser) in [
            ("ada", false, false),
            ("ben", false, false),
            ("staff", true, false),
            ("root", true, true),
            ("other-root", false, true),
        ] {
            let user = bed.user(name, fields(staff, superuser)).await;
            pks.push(user["pk"].as_str().unwrap().parse::<i64>().unwrap());
        }
        pks.push(4711);
        let example = Example::run("impersonation", &bed, &[]);
        let mut acting = 0;
        for name in ["ada", "staff", "root", "other-root"] {
            for pk in &pks {
                let question =
                    json!({ "cmd": "login", "username": name, "data": { "_impersonate": pk } });
                let key = bed.ask(question).await["key"].as_str().unwrap().to_owned();
                let verdict = bed.verdict(&key).await;
                let expected = verdict["user"]["username"].as_str().unwrap();
                let (status, _, body) = example.get("/account", &key).await;
                assert_eq!((status, body), (200, format!("welcome, {expected}")), "{django}, {pk}");
                acting += usize::from(expected != name);
            }
        }
        assert!(acting >= 5, "{acting}");
        // The crate is stricter here: no user can act as an inactive user.
        bed.user("ben", json!({ "is_active": false })).await;
        let data = json!({ "_impersonate": pks[1] });
        let question = json!({ "cmd": "login", "username": "root", "data": data });
        let key = bed.ask(question).await["key"].as_str().unwrap().to_owned();
        assert_eq!(bed.verdict(&key).await["user"]["username"], "ben");
        assert_eq!(example.get("/account", &key).await.0, 302);
    }
}

#[testbed::test]
async fn rest_framework_gives_the_answers_of_django_rest_framework() {
    for django in Django::available().unwrap() {
        // The newest version that supports this Django.
        let package = match django {
            Django::V4_2 => "djangorestframework==3.16.1",
            _ => "djangorestframework==3.18.3",
        };
        let settings =
            Settings::default().package(package).set("EXTRA_APPS", json!(["rest_framework"]));
        let bed = Bed::without_users(django, &settings).await;
        bed.user("ada", json!({ "password": "x" })).await;
        bed.user("staff", json!({ "password": "y", "is_staff": true })).await;
        bed.user("stale", json!({ "password": "z" })).await;
        let (ada, staff) = (bed.login("ada").await, bed.login("staff").await);
        let stale = bed.login("stale").await;
        bed.user("stale", json!({ "password": "changed" })).await;
        let cart = bed.session("{\"cart\":1}").await;

        let example = Example::run("rest_framework", &bed, &[]);
        let client = testbed::http_client().build().unwrap();
        let mut refused = 0;
        for (method, path) in [("GET", "/items"), ("GET", "/staff"), ("POST", "/items")] {
            for key in [&ada, &staff, &stale, &cart, "unknown-key", ""] {
                let cookie = format!("sessionid={key}");
                let question =
                    json!({ "cmd": "visit", "cookie": cookie, "method": method, "path": path });
                let expected = bed.ask(question).await;
                let request = client
                    .request(method.parse().unwrap(), format!("{}{path}", example.url()))
                    .header("Cookie", &cookie);
                let answer = request.send().await.unwrap();
                let context = format!("{django}, {method} {path} {cookie}: {expected}");
                let answer_status = answer.status().as_u16();
                assert_eq!(answer_status, expected["status"], "{context}");
                assert_eq!(header(&answer, "content-type"), Some("application/json"));
                let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
                let expected = &expected["verdict"];
                assert_eq!(body, *expected, "{context}");
                refused += usize::from(answer_status == 403);
            }
        }
        assert!(refused >= 12, "{refused}");
        // A browser sends the `Origin` or `Referer` of the page.
        let token = "a".repeat(32);
        let post = client.post(format!("{}/items", example.url())).header("Origin", example.url());
        let post = post.header("Cookie", format!("sessionid={ada}; csrftoken={token}"));
        let answer = post.header("X-CSRFToken", token).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), r#"{"user":"ada"}"#, "{django}");
    }
}

/// The longest wait for an event on a busy machine.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[testbed::test]
async fn websocket_and_events_end_with_the_session() {
    let bed = Bed::new().await;
    bed.user("ben", json!({ "password": "y" })).await;
    let hosts = ("ALLOWED_HOSTS", "127.0.0.1");
    let example = Example::run("websocket", &bed, &[hosts]);
    let staying = Live::of(&example, &bed.login("ben").await).await;
    let (mut socket, mut events) = staying;

    for end in ["logout", "deactivation", "password change"] {
        bed.user("ada", json!({ "password": "x", "is_active": true })).await;
        let key = bed.login("ada").await;
        let (mut socket, mut events) = Live::of(&example, &key).await;
        assert_eq!(socket.echo("hello").await, "ada: hello");
        assert!(events.next().await.unwrap().contains("ada"));

        match end {
            "logout" => drop(bed.ask(json!({ "cmd": "delete_row", "key": key })).await),
            "deactivation" => drop(bed.user("ada", json!({ "is_active": false })).await),
            _ => drop(bed.user("ada", json!({ "password": "changed" })).await),
        }
        let ended = Instant::now();
        assert_eq!(socket.close_code().await, 1008, "{end}");
        while events.next().await.is_some() {}
        println!("{end}: both ended after {:?}", ended.elapsed());
    }
    // Other users stay connected.
    assert_eq!(socket.echo("still there").await, "ben: still there");
    assert!(events.next().await.unwrap().contains("ben"));

    // The page of another site cannot open a socket with the visitor's cookie.
    let key = bed.login("ben").await;
    for (origin, status) in [(example.url(), 101), ("https://evil.example", 403)] {
        let url = format!("{}/live/socket", example.url());
        let request = client().ws(url).origin(origin);
        let answer = request.header("Cookie", format!("sessionid={key}")).connect().await;
        let answered = match answer {
            Ok((response, _)) => response.status(),
            Err(WsClientError::InvalidResponseStatus(status)) => status,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(answered, status, "{origin}");
    }
    assert_eq!(example.get("/live/events", "unknown-key").await.0, 401);
}

/// A client that can open WebSockets.
fn client() -> awc::Client {
    awc::Client::builder().timeout(LONGEST_WAIT).finish()
}

/// A stream of server-sent events.
struct Live(Response);

impl Live {
    async fn of(example: &Example, key: &str) -> (Socket, Self) {
        let url = format!("{}/live/socket", example.url());
        let request =
            client().ws(url).origin(example.url()).header("Cookie", format!("sessionid={key}"));
        let (_, socket) = request.connect().await.unwrap();
        let client = testbed::http_client().build().unwrap();
        let events = client.get(format!("{}/live/events", example.url()));
        let events = events.header("Cookie", format!("sessionid={key}")).send().await.unwrap();
        assert_eq!(events.status(), 200);
        (Socket(Box::new(socket)), Self(events))
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<String> {
        let event = timeout(LONGEST_WAIT, self.0.chunk()).await.unwrap().unwrap()?;
        Some(String::from_utf8(event.to_vec()).unwrap())
    }
}

struct Socket(Box<dyn Frames>);

trait Frames:
    Stream<Item = Result<Frame, ProtocolError>> + Sink<Message, Error = ProtocolError> + Unpin
{
}

impl<T> Frames for T where
    T: Stream<Item = Result<Frame, ProtocolError>> + Sink<Message, Error = ProtocolError> + Unpin
{
}

impl Socket {
    async fn frame(&mut self) -> Frame {
        timeout(LONGEST_WAIT, self.0.next()).await.unwrap().unwrap().unwrap()
    }

    async fn echo(&mut self, text: &str) -> String {
        self.0.send(Message::Text(text.to_owned().into())).await.unwrap();
        match self.frame().await {
            Frame::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn close_code(&mut self) -> u16 {
        match self.frame().await {
            Frame::Close(reason) => reason.unwrap().code.into(),
            other => panic!("{other:?}"),
        }
    }
}

#[testbed::test]
async fn metrics_counts_by_middleware_reason_and_backend() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x" })).await;
    let key = bed.login("ada").await;
    let example = Example::run("metrics", &bed, &[]);
    assert_eq!(example.get("/account", &key).await.0, 200);
    assert_eq!(example.get("/account", "unknown-key").await.0, 302);
    assert_eq!(example.get("/account", "unknown-key").await.0, 302);
    let (status, _, page) = example.get("/metrics", "").await;
    assert_eq!(status, 200);
    for line in [
        "django_sessions_total{event=\"session_lookup\"} 3".to_owned(),
        format!("django_sessions_total{{event=\"user_found\",backend=\"{MODEL_BACKEND}\"}} 1"),
        "django_sessions_total{event=\"rejected\",reason=\"session_not_found\",middleware=\"account\"} 2"
            .into(),
    ] {
        assert!(page.lines().any(|other| other == line), "{line}\n{page}");
    }
}

#[testbed::test]
async fn permissions_and_pages_still_redirects_with_its_own_403_page() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
    bed.user("bob", json!({ "password": "x" })).await;
    let (ada, bob) = (bed.login("ada").await, bed.login("bob").await);
    let example = Example::run("permissions_and_pages", &bed, &[]);
    let (status, to, _) = example.get("/items/add", "unknown-key").await;
    assert_eq!((status, to.as_deref()), (302, Some("/accounts/login/?next=/items/add")));
    let (status, _, page) = example.get("/items/add", &bob).await;
    assert_eq!((status, page.contains("You may not do that")), (403, true));
    assert_eq!(example.get("/items/add", &ada).await.0, 200);
    assert!(example.get("/items", &ada).await.2.contains("Add an item"));
    assert!(!example.get("/items", &bob).await.2.contains("Add an item"));
}
