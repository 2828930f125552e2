//! Random sequences of operations: in Django alone, in Rust alone, and alternating on one database.

use actix_django_session::{DjangoSite, PasswordHasher, SessionKey};
use serde_json::{Value, json};
use testbed::{Django, Settings};

use crate::{
    beds::{Bed, PASSWORD, Rng, seed, settings},
    sessions::operations::{
        Layers, Outcome, django, operate_alone, operate_in, service, service_behind,
    },
};

/// The side that answers a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Django,
    Rust,
}

#[testbed::test]
async fn the_saved_rows_and_the_sent_cookies_are_those_of_django() {
    compare(360, false).await;
}

/// With `CSRF_USE_SESSIONS`: when the secret stays the same, and when it creates a session.
#[testbed::test]
async fn the_csrf_secret_is_in_the_session_as_in_django() {
    compare(150, true).await;
}

async fn compare(sequences: usize, csrf_use_sessions: bool) {
    let mut rng = Rng(seed());
    let versions = Django::available().unwrap();
    let sequences = sequences / versions.len();
    for version in versions {
        // A separate database: other tests log in as the same users, and `last_login` is compared.
        let django = Settings::default().set("CSRF_USE_SESSIONS", csrf_use_sessions);
        let bed = Bed::start(version, django).await;
        let bed = &bed;
        let hashers = [PasswordHasher::Pbkdf2Sha256 { iterations: 1000 }];
        let mut settings = settings();
        settings.write_sessions = true;
        settings.password_hashers = Some(hashers.into());
        settings.csrf_use_sessions = csrf_use_sessions;
        let site = bed.site_with(settings.clone());
        let hooked = site.clone().after_get_user(|_, user, _| async move { Ok(Some(user)) });
        let sites = [site, hooked, bed.site_with(settings)];
        for number in 0..sequences {
            let sequence = Sequence::random(&mut rng, csrf_use_sessions);
            let mut layers = layers(&mut rng, &sites);
            layers.csrf_if_logged_in &= !csrf_use_sessions;
            let first = rng.below(2);
            let [djangos, rusts, turns] = match layers.sites.len() {
                1 => {
                    let app = service(&layers.sites[0]).await;
                    let rust = async |cookie: Option<&str>, ops: &Value, status| {
                        operate_alone(&app, cookie, ops, status).await
                    };
                    sequence.stories(bed, first, rust).await
                }
                _ => {
                    let app = service_behind(&layers).await;
                    let rust = async |cookie: Option<&str>, ops: &Value, status| {
                        operate_in(&app, &layers, cookie, ops, status).await
                    };
                    sequence.stories(bed, first, rust).await
                }
            };
            assert_eq!(rusts, djangos, "{version}, sequence {number}: {sequence:?}");
            assert_eq!(turns, djangos, "{version}, sequence {number} in turns: {sequence:?}");
        }
    }
}

/// The requests of one browser, each with its operations and the status of its response.
#[derive(Debug)]
struct Sequence {
    start: Start,
    requests: Vec<(Vec<Value>, u16)>,
}

/// The session that the browser starts with.
#[derive(Clone, Debug)]
enum Start {
    None,
    Unknown,
    Json(&'static str),
    LoggedIn,
}

impl Sequence {
    fn random(rng: &mut Rng, has_tokens: bool) -> Self {
        let secret = r#"{"a":1,"_csrftoken":"abcdefghijklmnopqrstuvwxyzABCDEF"}"#;
        let start = match rng.below(6) {
            3 | 4 if has_tokens => Start::Json(secret),
            0 => Start::None,
            1 => Start::Unknown,
            2 => Start::Json(r#"{"cart":[1,2],"theme":"dark"}"#),
            3 => Start::Json(r#"{"_session_expiry":3600,"n":NaN,"s":"\ud800","a":1.5}"#),
            4 => Start::Json(r#"{}"#),
            _ => Start::LoggedIn,
        };
        let mut left = 3 + rng.below(10);
        let mut requests = Vec::new();
        while left > 0 {
            let count = (1 + rng.below(4)).min(left);
            left -= count;
            let op = |rng: &mut Rng| match has_tokens && rng.below(3) == 0 {
                true => json!(["get_token"]),
                false => operation(rng),
            };
            let ops: Vec<_> = (0..count).map(|_| op(rng)).collect();
            let mut status = [200, 200, 200, 200, 302, 404, 500][rng.below(7)];
            // Django has already changed the row's key; the visitor gets no cookie and loses the session.
            let cycles = ["authenticate_login", "cycle_key", "login", "update_session_auth_hash"];
            let does =
                |names: &[&str]| ops.iter().any(|op| names.contains(&op[0].as_str().unwrap()));
            if does(&cycles) && status == 500 {
                status = 403;
            }
            // In Django `request.user` stays the user of the login, even after a flush of the session;
            // here the visitor is anonymous after a flush.
            let ops = match does(&["authenticate_login", "login", "update_session_auth_hash"]) {
                true => ops.into_iter().filter(|op| op[0] != "user" && op[0] != "flush").collect(),
                false => ops,
            };
            let mut ops = ops;
            // Django would use a key that it has not created, and fail to save.
            if ops.first().is_some_and(|op| op[0] == "clear" || op[0] == "save") {
                ops.insert(0, json!(["get", "a"]));
            }
            requests.push((ops, status));
        }
        if matches!(start, Start::Unknown) {
            // The same reason.
            requests[0].0.insert(0, json!(["get", "a"]));
        }
        Self { start, requests }
    }

    /// What happens in Django alone, in Rust alone, and in turns.
    async fn stories(
        &self,
        bed: &Bed,
        first: usize,
        rust: impl AsyncFn(Option<&str>, &Value, u16) -> Outcome,
    ) -> [Vec<(Outcome, Value)>; 3] {
        let in_turns = |i| if i % 2 == first { Side::Django } else { Side::Rust };
        [
            self.run(bed, &rust, |_| Side::Django).await,
            self.run(bed, &rust, |_| Side::Rust).await,
            self.run(bed, &rust, in_turns).await,
        ]
    }

    /// The result of each request and the rows after it, with placeholders for the session keys.
    async fn run(
        &self,
        bed: &Bed,
        rust: impl AsyncFn(Option<&str>, &Value, u16) -> Outcome,
        side: impl Fn(usize) -> Side,
    ) -> Vec<(Outcome, Value)> {
        let key = match self.start {
            Start::None => None,
            Start::Unknown => Some(SessionKey::generate().as_str().to_owned()),
            Start::Json(json) => Some(bed.session(json).await),
            Start::LoggedIn => Some(bed.login("ada").await),
        };
        bed.sql("UPDATE auth_user SET last_login = NULL").await;
        let mut browser = Browser { seen: Vec::new(), secrets: Vec::new(), cookie: None };
        browser.cookie = key.inspect(|key| browser.seen.push(key.clone()));
        let mut story = Vec::new();
        for (i, (ops, status)) in self.requests.iter().enumerate() {
            let cookie = browser.cookie.as_ref().map(|key| format!("sessionid={key}"));
            let ops = Value::from(ops.clone());
            let outcome = match side(i) {
                Side::Rust => rust(cookie.as_deref(), &ops, *status).await,
                Side::Django => django(bed, cookie.as_deref(), &ops, *status).await,
            };
            let outcome = browser.record(outcome);
            let rows = browser.rows(bed).await;
            story.push((outcome, rows));
        }
        story
    }
}

/// One middleware, or three middlewares of different handles.
fn layers(rng: &mut Rng, sites: &[DjangoSite; 3]) -> Layers {
    let nested = rng.below(2) == 0;
    let count = if nested { 3 } else { 1 };
    Layers {
        sites: (0..count).map(|_| sites[rng.below(3)].clone()).collect(),
        csrf_if_logged_in: rng.below(2) == 0,
        looks: false,
        between: rng.below(3),
    }
}

fn operation(rng: &mut Rng) -> Value {
    let keys = ["cart", "theme", "a", "b"];
    let key = keys[rng.below(4)];
    let user = ["ada", "grace"][rng.below(2)];
    match rng.below(21) {
        0..4 => json!(["insert", key, rng.below(3)]),
        4..6 => json!(["append", "list", rng.below(9)]),
        6 | 7 => json!(["get", key]),
        8 | 9 => json!(["remove", key]),
        10 => json!(["clear"]),
        11 => json!(["cycle_key"]),
        12 => json!(["flush"]),
        13 => {
            let seconds = [None, Some(0), Some(3600), Some(90)][rng.below(4)];
            json!(["set_expiry", seconds])
        }
        14 => json!(["set_expiry_in", 7200]),
        15 => json!(["login", user]),
        16 => {
            let password = [PASSWORD, PASSWORD, "wrong"][rng.below(3)];
            json!(["authenticate_login", user, password])
        }
        17 => json!(["logout"]),
        18 => json!(["update_session_auth_hash", user]),
        19 => json!(["save"]),
        _ => json!(["user"]),
    }
}

/// A browser: it keeps the cookie and numbers the session keys in their order.
struct Browser {
    seen: Vec<String>,
    /// The CSRF secrets, in their order.
    secrets: Vec<String>,
    cookie: Option<String>,
}

impl Browser {
    /// Keeps the cookies of a response. Replaces session keys and times by placeholders.
    fn record(&mut self, mut outcome: Outcome) -> Outcome {
        for text in &mut outcome.set_cookie {
            if text.starts_with("csrftoken=") {
                *text = "another CSRF secret".to_owned();
                continue;
            }
            let value = text.strip_prefix("sessionid=").unwrap().split(';').next().unwrap();
            if value == "\"\"" {
                self.cookie = None;
                continue;
            }
            let value = value.to_owned();
            let number = self.number(&value);
            let parts = text.split("; ").map(|part| match part.split_once('=') {
                Some(("sessionid", _)) => format!("key {number}"),
                Some(("expires", _)) => "expires=..".to_owned(),
                // The time until a fixed date becomes shorter.
                Some(("Max-Age", age)) if (7000..7200).contains(&age.parse().unwrap_or(0)) => {
                    "Max-Age=7200-".to_owned()
                }
                _ => part.to_owned(),
            });
            *text = parts.collect::<Vec<_>>().join("; ");
            self.cookie = Some(value);
        }
        outcome
    }

    fn number(&mut self, key: &str) -> usize {
        self.seen.iter().position(|seen| seen == key).unwrap_or_else(|| {
            self.seen.push(key.to_owned());
            self.seen.len() - 1
        })
    }

    /// The rows of all session keys that this browser has had.
    async fn rows(&mut self, bed: &Bed) -> Value {
        let users = "SELECT username FROM auth_user WHERE last_login IS NOT NULL ORDER BY 1";
        let users = json!({ "cmd": "sql", "statement": users });
        let rows = json!({ "cmd": "read_rows", "keys": self.seen });
        let mut answers = bed.oracle.ask_all(vec![users, rows]).await.unwrap();
        let (last_login, rows) = (answers[0]["rows"].take(), answers[1]["rows"].take());
        let rows = rows.as_array().unwrap().iter().enumerate();
        let rows = rows.filter(|(_, row)| !row.is_null()).map(|(number, row)| {
            let json = row["json"].as_str().unwrap();
            let json = match json.split_once("\"_csrftoken\": \"") {
                None => json.to_owned(),
                Some((before, rest)) => {
                    let (secret, after) = rest.split_once('"').unwrap();
                    let seen = self.secrets.iter().position(|seen| seen == secret);
                    let secret = seen.unwrap_or_else(|| {
                        self.secrets.push(secret.to_owned());
                        self.secrets.len() - 1
                    });
                    format!("{before}\"_csrftoken\": {secret}{after}")
                }
            };
            json!({ "key": number, "json": json, "lives": row["lives"] })
        });
        json!({ "rows": rows.collect::<Vec<_>>(), "last_login": last_login })
    }
}
