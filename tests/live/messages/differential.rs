//! Random requests of one browser: to Django alone, to this crate alone, and to both in turns.

use actix_django_session::{DjangoSite, SessionData};
use serde_json::{Value, json};
use testbed::{Django, Oracle, Rng, Settings, TestBed, seed};

use super::operations::{SECRET_KEY, request, settings, signer};
use crate::beds::pool;

/// Who answers a request.
#[derive(Clone, Copy)]
enum Side {
    Django,
    Rust,
}

/// What one request came to: results, what the messages cookie holds, and what each session does.
type Step = (Vec<Value>, Option<String>, Vec<String>);

#[testbed::test]
async fn the_service_stores_and_shows_the_same_messages_as_django() {
    let mut rng = Rng(seed());
    let mut overflows = 0;
    let versions = Django::available().unwrap();
    // The total is the same for any number of Django versions.
    let stories = 60 / versions.len();
    for version in versions {
        let bed =
            TestBed::with_settings(version, Settings::default().set("SECRET_KEY", SECRET_KEY));
        let bed = bed.await.unwrap();
        for storage in ["cookie", "session", "fallback"] {
            let site = DjangoSite::new(pool(bed.database_url()), settings(storage)).unwrap();
            let story = Story { storage, site, oracle: bed.oracle().await.unwrap() };
            for number in 0..stories {
                let requests = random_requests(&mut rng);
                let djangos = story.run(&requests, |_| Side::Django).await;
                let case = format!("{version}, {storage} {number}: {requests:?}");
                assert_eq!(story.run(&requests, |_| Side::Rust).await, djangos, "{case}");
                let in_turns = |i| if i % 2 == 0 { Side::Django } else { Side::Rust };
                assert_eq!(story.run(&requests, in_turns).await, djangos, "in turns, {case}");
                let is_full = |json: &String| json.contains("__messagesnotfinished__");
                overflows +=
                    djangos.iter().filter(|step| step.1.as_ref().is_some_and(is_full)).count();
            }
        }
    }
    assert!(overflows > 50, "{overflows}");
}

/// Each with its operations and the status of the answer.
fn random_requests(rng: &mut Rng) -> Vec<(Vec<Value>, u16)> {
    let count = 2 + rng.below(4);
    (0..count)
        .map(|_| {
            let ops: Vec<_> = (0..1 + rng.below(4)).map(|_| operation(rng)).collect();
            let status = *rng.choose(&[200, 200, 200, 302, 404, 500]);
            // Django has moved the row by then, and the visitor, who is not told, loses the session.
            let moves = status == 500 && ops.iter().any(|op| op[0] == "cycle_key");
            (ops, if moves { 403 } else { status })
        })
        .collect()
}

fn operation(rng: &mut Rng) -> Value {
    match rng.below(14) {
        0..8 => {
            let name = if rng.below(6) == 0 { "add_safe" } else { "add" };
            let level = *rng.choose(&[10, 20, 25, 30, 40, 50, 19]);
            let tags = *rng.choose(&["", "", "x", " a  b"]);
            json!([name, level, text(rng), tags])
        }
        8 | 9 => json!(["read"]),
        10 => json!(["len"]),
        11 => json!(["set_level", *rng.choose(&[0, 20, 30])]),
        12 => json!(["session_set", "theme", rng.below(3)]),
        _ => json!([*rng.choose(&["flush", "clear", "cycle_key", "get_level"])]),
    }
}

/// Of sizes that never come near the limit of the cookie: the deflates of zlib and of this crate differ by
/// a few bytes.
fn text(rng: &mut Rng) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let odd = [
        "Saved.",
        "",
        "<b>Gr\u{fc}\u{df}e</b> & 'x' \"y\"",
        "\u{6771}\u{4eac} \u{1f600}\u{7f}\n\\/",
        " ",
    ];
    let length = match rng.below(8) {
        0 | 1 => 500,
        2 => 1500,
        3 => 2500,
        _ => return odd[rng.below(odd.len())].into(),
    };
    (0..length).map(|_| char::from(ALPHABET[rng.below(ALPHABET.len())])).collect()
}

struct Story<'a> {
    storage: &'a str,
    site: DjangoSite,
    oracle: &'a Oracle,
}

impl Story<'_> {
    async fn run(&self, requests: &[(Vec<Value>, u16)], side: impl Fn(usize) -> Side) -> Vec<Step> {
        self.sql("DELETE FROM django_session").await;
        let mut browser = Browser::default();
        let mut story = Vec::new();
        for (index, (ops, status)) in requests.iter().enumerate() {
            let cookie = browser.header();
            let (results, messages, session) = match side(index) {
                Side::Django => self.django(ops, *status, cookie).await,
                Side::Rust => {
                    let outcome = request(&self.site, ops, *status, cookie.as_deref()).await;
                    assert_eq!(outcome.status, *status);
                    (outcome.results, outcome.cookie, outcome.session_key)
                }
            };
            let holds = messages.as_deref().map(|value| match value {
                "" => String::new(),
                value => signer().unsign_json(value, None).unwrap(),
            });
            browser.take(messages, session);
            story.push((results, holds, self.rows().await));
        }
        story
    }

    async fn django(
        &self,
        ops: &[Value],
        status: u16,
        cookie: Option<String>,
    ) -> (Vec<Value>, Option<String>, Option<String>) {
        let question = json!({
            "cmd": "messages_operate", "storage": self.storage, "ops": ops, "status": status, "cookie": cookie,
        });
        let mut answer = self.oracle.ask(question).await.unwrap();
        let cookie = |name: &str| answer["cookies"][name]["value"].as_str().map(str::to_owned);
        let (messages, session) = (cookie("messages"), cookie("sessionid"));
        let Value::Array(results) = answer["results"].take() else { panic!("{answer}") };
        (results, messages, session)
    }

    async fn rows(&self) -> Vec<String> {
        let rows = self.sql("SELECT session_data FROM django_session").await;
        let data = |row: &Value| {
            let data = SessionData::decode(row[0].as_str().unwrap(), self.site.signer()).unwrap();
            data.to_json().into_owned()
        };
        rows["rows"].as_array().unwrap().iter().map(data).collect()
    }

    async fn sql(&self, statement: &str) -> Value {
        self.oracle.ask(json!({ "cmd": "sql", "statement": statement })).await.unwrap()
    }
}

#[derive(Default)]
struct Browser {
    messages: Option<String>,
    session: Option<String>,
}

impl Browser {
    fn header(&self) -> Option<String> {
        let cookie = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{name}={value}"))
        };
        let cookies = [cookie("sessionid", &self.session), cookie("messages", &self.messages)];
        let cookies: Vec<_> = cookies.into_iter().flatten().collect();
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }

    /// An empty value deletes.
    fn take(&mut self, messages: Option<String>, session: Option<String>) {
        for (kept, new) in [(&mut self.messages, messages), (&mut self.session, session)] {
            if let Some(new) = new {
                *kept = Some(new).filter(|value| !value.is_empty());
            }
        }
    }
}
