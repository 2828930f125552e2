//! The example `whoami`, started as a user starts it.

use serde_json::{Value, json};
use testbed::{Browser, Django, Example, Settings};

use crate::beds::{Bed, PASSWORD};

struct Whoami(Example);

impl Whoami {
    fn start(database_url: &str, environment: &[(&str, &str)]) -> Self {
        Self(Example::run("whoami", database_url, environment).unwrap())
    }

    async fn get(&self, path: &str, session_key: Option<&str>) -> reqwest::Response {
        let request = Browser::new().client().get(format!("{}{path}", self.0.url()));
        let request = match session_key {
            Some(key) => request.header("Cookie", format!("visit={key}")),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn json(&self, path: &str, session_key: Option<&str>) -> (u16, Value) {
        let answer = self.get(path, session_key).await;
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

#[testbed::test]
async fn whoami_names_the_user() {
    let bed = Bed::start(
        Django::default(),
        Settings::default().secret_key("new").secret_key_fallbacks(["old", "older"]),
    )
    .await;
    let whoami = Whoami::start(
        bed.bed().database_url(),
        &[
            ("DJANGO_SECRET_KEY", "new"),
            ("DJANGO_SECRET_KEY_FALLBACKS", "old,older"),
            ("SESSION_COOKIE_NAME", "visit"),
            ("LOGIN_URL", "/login"),
        ],
    );
    let ada = bed.login("ada").await;
    let anonymous = bed.session("{\"cart\": [1, NaN], \"a\": \"\u{e9}\"}").await;
    let older = bed.session("{}").await;
    bed.ask(json!({
        "cmd": "sign_row", "key": older, "secret": "older", "obj_json": r#"{"_auth_user_id":7}"#,
    }))
    .await;
    let undecodable = bed.session("{}").await;
    bed.ask(json!({ "cmd": "put_row", "key": undecodable, "session_data": "x" })).await;
    let visitor = |id: Value| json!({ "session": true, "user_id": id });

    assert_eq!(whoami.json("/", None).await, (200, json!({ "session": false })));
    assert_eq!(whoami.json("/", Some("unknown-key")).await, (200, json!({ "session": false })));
    assert_eq!(whoami.json("/", Some(&ada)).await, (200, visitor(json!("1"))));
    assert_eq!(whoami.json("/", Some(&older)).await, (200, visitor(json!("7"))));
    assert_eq!(whoami.json("/", Some(&anonymous)).await, (200, visitor(Value::Null)));
    assert_eq!(whoami.json("/", Some(&undecodable)).await, (200, visitor(Value::Null)));

    let answer = whoami.get("/session", Some(&anonymous)).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    // The saved text as Django reads it: Django decodes unescaped UTF-8 as Latin-1.
    let text = answer.text().await.unwrap();
    let canonical = bed.ask(json!({ "cmd": "canonical", "json_text": text })).await;
    assert_eq!(canonical["json"], r#"{"cart": [1, NaN], "a": "\u00c3\u00a9"}"#);
    let (status, data) = whoami.json("/session", Some(&ada)).await;
    assert_eq!((status, &data["_auth_user_id"]), (200, &json!("1")));
    assert_eq!(whoami.get("/session", Some(&undecodable)).await.status(), 422);

    assert_eq!(whoami.json("/user", Some(&ada)).await, (200, json!({ "user_id": "1" })));
    assert_eq!(whoami.json("/api/user", Some(&ada)).await, (200, json!({ "user_id": "1" })));
    let (status, account) = whoami.json("/account", Some(&ada)).await;
    assert_eq!((status, &account["id"], &account["username"]), (200, &json!("1"), &json!("ada")));
    assert_eq!(whoami.get("/account", Some(&older)).await.status(), 302);
    for (path, key) in [("/session", None), ("/user", None), ("/user", Some(&*anonymous))] {
        let answer = whoami.get(path, key).await;
        assert_eq!(answer.status(), 302, "{path}");
        assert_eq!(answer.headers()["location"], format!("/login?next={path}"));
        assert_eq!(answer.headers()["vary"], "Cookie");
    }
    for key in [None, Some(&*anonymous), Some(&*undecodable)] {
        assert_eq!(whoami.json("/api/user", key).await, (401, json!("")));
    }
}

/// One browser, Django on one port and the workbench on another: a login at one of them is valid at both.
#[testbed::test]
async fn a_login_and_a_logout_in_the_workbench_are_valid_at_django() {
    let bed = Bed::shared().await;
    let site = bed.bed().site().await.unwrap();
    let workbench = Example::run("workbench", bed.bed().database_url(), &[]).unwrap();
    let browser = Browser::new();
    let post = async |path: &str, body: &'static str| {
        let token = browser.get(&format!("{}/csrf", workbench.url())).await.unwrap();
        let token: Value = serde_json::from_str(&token.text().await.unwrap()).unwrap();
        let request = browser
            .client()
            .post(format!("{}{path}", workbench.url()))
            .header("X-CSRFToken", token["csrf_token"].as_str().unwrap())
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let anonymous = (401, r#"{"user_id":null}"#.to_owned());
    assert_eq!(post("/login", "username=ada&password=wrong").await, anonymous);
    assert_eq!(post("/login", "username=unknown&password=lovelace").await, anonymous);
    let ada = (200, r#"{"user_id":"1"}"#.to_owned());
    assert_eq!(post("/login", "username=ada&password=lovelace").await, ada);
    assert_eq!(browser.whoami(site).await.unwrap()["user_id"], "1");
    assert_eq!(post("/logout", "").await, (204, String::new()));
    assert_eq!(browser.whoami(site).await.unwrap()["user_id"], Value::Null);

    // The same in the other direction.
    browser.login(site, "grace", PASSWORD).await.unwrap();
    let user = browser.get(&format!("{}/user", workbench.url())).await.unwrap();
    assert_eq!(user.text().await.unwrap(), r#"{"user_id":"2"}"#);
}

#[test]
fn whoami_reports_missing_settings_at_the_start() {
    let output = Example::command("whoami").unwrap().env_clear().output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("DJANGO_SECRET_KEY"), "{error}");
}
