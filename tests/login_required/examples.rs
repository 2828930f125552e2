//! The examples, run as a person would.

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use reqwest::{Client, redirect::Policy};
use serde_json::{Value, json};
use testbed::{Django, Settings};

use crate::beds::{ALLOW_ALL, Bed, MODEL_BACKEND, new_key};

/// An example that runs. It ends with this value.
struct Example {
    child: Child,
    url: String,
}

impl Example {
    fn run(name: &str, bed: &Bed, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(example(name))
            .env_clear()
            .env("DATABASE_URL", bed.database.url())
            .env("DJANGO_SECRET_KEY", Settings::SECRET_KEY)
            .env("BIND", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = said.next().unwrap_or_else(|| {
            let why = io::read_to_string(child.stderr.take().unwrap());
            panic!("{name} ended: {}", why.unwrap())
        });
        let said = said.unwrap();
        let url = said.strip_prefix("listening on ").unwrap_or_else(|| panic!("{said}")).to_owned();
        Self { child, url }
    }

    /// The status, where to, and the body.
    async fn get(&self, path: &str, session_key: &str) -> (u16, Option<String>, String) {
        let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        let request = client.get(format!("{}{path}", self.url));
        let answer =
            request.header("Cookie", format!("sessionid={session_key}")).send().await.unwrap();
        let to = crate::app::header(&answer, "location").map(Into::into);
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

impl Drop for Example {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `cargo test` builds the examples beside the tests; with `--test` it does not.
fn example(name: &str) -> PathBuf {
    let path = env::current_exe().unwrap();
    let profile = path.ancestors().nth(2).unwrap();
    let path = profile.join("examples").join(name);
    if !path.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", name]);
        cargo.args(profile.ends_with("release").then_some("--release"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(cargo.status().unwrap().success());
    }
    path
}

#[actix_web::test]
async fn whoami_tells_of_the_account() {
    let bed = Bed::new().await;
    let permissions = ["shop.view_item", "shop.add_item", "blog.add_post"];
    bed.user("alice", json!({ "password": "x", "permissions": permissions })).await;
    bed.user("root", json!({ "password": "x", "is_superuser": true, "is_staff": true })).await;
    let (alice, root) = (bed.login("alice").await, bed.login("root").await);
    let whoami = Example::run("whoami", &bed, &[]);

    // To the byte, the order of the permissions included.
    let (status, _, body) = whoami.get("/account", &alice).await;
    assert_eq!(status, 200);
    let told: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({
        "id": "1", "username": "alice", "is_staff": false, "is_superuser": false,
        "permissions": ["blog.add_post", "shop.add_item", "shop.view_item"],
    });
    assert_eq!(told, expected);
    let root = whoami.account(&root).await.unwrap();
    assert_eq!((&root["is_staff"], &root["is_superuser"]), (&json!(true), &json!(true)));
    let all = root["permissions"].as_array().unwrap();
    assert!(all.is_sorted_by_key(|name| name.as_str().unwrap()) && all.len() > 20);

    assert_eq!(whoami.account("nobodys-key").await, None);
    bed.user("alice", json!({ "password": "changed" })).await;
    assert_eq!(whoami.account(&alice).await, None);
    // What the session alone says is still the same.
    assert_eq!(whoami.get("/user", &alice).await.0, 200);
}

#[actix_web::test]
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

#[actix_web::test]
async fn whoami_reads_what_a_site_exported() {
    let mut bed = Bed::start(
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
        // With the file, none of these counts.
        ("AUTH_USER_TABLE", "no_such_table"),
        ("LOGIN_URL", "/elsewhere/"),
    ];
    let whoami = Example::run("whoami", &bed, &environment);
    let account = whoami.account(&ada).await.unwrap();
    assert_eq!(account["username"], "ada@example.com");
    assert_eq!(account["permissions"], json!(["shop.add_item"]));
    let stranger = whoami.get("/account", "nobody").await;
    assert_eq!(stranger.1.as_deref(), Some("/accounts/login/?next=/account"));
    fs::remove_file(file).unwrap();
}

/// At start-up, and not at the first request; but it may be mended while the service runs.
#[actix_web::test]
async fn whoami_says_at_once_that_there_is_no_such_table() {
    let bed = Bed::new().await;
    bed.user("alice", json!({ "password": "x" })).await;
    let alice = bed.login("alice").await;
    bed.sql("ALTER TABLE auth_user RENAME TO away").await;

    let mut whoami = Example::run("whoami", &bed, &[]);
    let mut said = BufReader::new(whoami.child.stderr.take().unwrap()).lines();
    let named = "no table \"auth_user\"";
    assert!(said.any(|line| line.unwrap().contains(named)));
    assert_eq!(whoami.get("/account", &alice).await.0, 503);
    assert_eq!(whoami.get("/user", &alice).await.0, 200);
    bed.sql("ALTER TABLE away RENAME TO auth_user").await;
    assert_eq!(whoami.account(&alice).await.unwrap()["username"], "alice");
}

#[actix_web::test]
async fn auth_version_ends_the_sessions_that_django_ends() {
    for django in Django::available().unwrap() {
        let settings = Settings::default().auth_user_model("versioned.VersionedUser");
        let bed = Bed::start(django, &settings).await;
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

#[actix_web::test]
async fn two_factor_lets_nobody_in_with_one() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x" })).await;
    let one = bed.login("ada").await;
    let data = json!({ "otp_device_id": "otp_totp.totpdevice/1" });
    let question = json!({ "cmd": "login", "username": "ada", "data": data });
    let two = bed.ask(question).await["key"].as_str().unwrap().to_owned();
    let example = Example::run("two_factor", &bed, &[]);
    let (status, to, _) = example.get("/account", &one).await;
    assert_eq!((status, to.as_deref()), (302, Some("/account/two_factor/?next=/account")));
    assert_eq!(example.get("/account", &two).await.0, 200);
    let stranger = example.get("/account", "nobodys-key").await;
    assert_eq!(stranger.1.as_deref(), Some("/account/two_factor/?next=/account"));
    bed.user("ada", json!({ "password": "changed" })).await;
    assert_eq!(example.get("/account", &two).await.0, 302);
}

#[actix_web::test]
async fn metrics_counts_by_gate_reason_and_backend() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x" })).await;
    let key = bed.login("ada").await;
    let example = Example::run("metrics", &bed, &[]);
    assert_eq!(example.get("/account", &key).await.0, 200);
    assert_eq!(example.get("/account", "nobodys-key").await.0, 302);
    assert_eq!(example.get("/account", "nobodys-key").await.0, 302);
    let (status, _, page) = example.get("/metrics", "").await;
    assert_eq!(status, 200);
    for line in [
        "django_sessions_total{event=\"session_lookup\"} 3".to_owned(),
        format!("django_sessions_total{{event=\"user_found\",backend=\"{MODEL_BACKEND}\"}} 1"),
        "django_sessions_total{event=\"rejected\",reason=\"session_not_found\",gate=\"account\"} 2"
            .into(),
    ] {
        assert!(page.lines().any(|other| other == line), "{line}\n{page}");
    }
}

#[actix_web::test]
async fn permissions_and_pages_keeps_the_redirect_beside_its_own_403() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
    bed.user("bob", json!({ "password": "x" })).await;
    let (ada, bob) = (bed.login("ada").await, bed.login("bob").await);
    let example = Example::run("permissions_and_pages", &bed, &[]);
    let (status, to, _) = example.get("/items/add", "nobodys-key").await;
    assert_eq!((status, to.as_deref()), (302, Some("/accounts/login/?next=/items/add")));
    let (status, _, page) = example.get("/items/add", &bob).await;
    assert_eq!((status, page.contains("You may not do that")), (403, true));
    assert_eq!(example.get("/items/add", &ada).await.0, 200);
    assert!(example.get("/items", &ada).await.2.contains("Add an item"));
    assert!(!example.get("/items", &bob).await.2.contains("Add an item"));
}
