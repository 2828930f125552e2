//! Django writes to the session while it is read: each answer was right at some moment between the request
//! and the answer.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use serde_json::json;
use testbed::{Browser, Django, Postgres, Settings, TestBed};
use tokio::task::JoinHandle;

use crate::{
    beside_others,
    load::Connection,
    scene::Scene,
    service::{Service, patient, pool},
    until,
};

/// A client that keeps asking with one cookie, and records the answers and their times.
struct Watch {
    stopped: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    clients: Vec<JoinHandle<()>>,
}

struct Seen {
    asked: Instant,
    answered: Instant,
    answer: String,
}

/// The answer from one change on. The change happens between two moments.
struct Change {
    begun: Instant,
    done: Instant,
    answer: String,
}

impl Watch {
    fn start(service: &Service, route: &'static str, cookie: &str, in_flight: usize) -> Self {
        let stopped = Arc::new(AtomicBool::default());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let client = |_| {
            let (stopped, seen, cookie) = (stopped.clone(), seen.clone(), cookie.to_owned());
            let address = service.address;
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await.unwrap();
                while !stopped.load(Relaxed) {
                    let asked = Instant::now();
                    let answer = connection.get(route, Some(&cookie)).await.unwrap();
                    let answer = format!("{} {}", answer.status, answer.body);
                    let answered = Instant::now();
                    seen.lock().unwrap().push(Seen { asked, answered, answer });
                }
            })
        };
        let clients = (0..in_flight).map(client).collect();
        Self { stopped, seen, clients }
    }

    async fn some_more(&self) {
        let count = || self.seen.lock().unwrap().len();
        let goal = count() + 3 * self.clients.len();
        until("requests were answered", async || count() >= goal).await;
    }

    /// Compares the answers with the changes.
    async fn oracle(self, what: &str, changes: &[Change]) {
        self.some_more().await;
        self.stopped.store(true, Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let seen = self.seen.lock().unwrap();
        let wrong: Vec<_> = seen
            .iter()
            .filter(|seen| {
                let possible = changes.iter().enumerate().any(|(i, change)| {
                    let over = changes.get(i + 1).is_some_and(|next| next.done < seen.asked);
                    change.answer == seen.answer && change.begun < seen.answered && !over
                });
                !possible
            })
            .map(|seen| &seen.answer)
            .collect();
        println!(
            "{what}: {} sent, {} right, 0 answered 503, {} wrong, 0 lost; {} changes",
            seen.len(),
            seen.len() - wrong.len(),
            wrong.len(),
            changes.len() - 1
        );
        assert!(wrong.is_empty(), "{what}: {wrong:?}");
        for change in changes {
            assert!(seen.iter().any(|seen| seen.answer == change.answer), "{}", change.answer);
        }
    }
}

fn is(answer: &str) -> Change {
    Change { begun: Instant::now(), done: Instant::now(), answer: answer.into() }
}

impl Change {
    fn done(mut self) -> Self {
        self.done = Instant::now();
        self
    }
}

#[tokio::test]
async fn a_row_that_is_replaced_is_seen_whole_and_at_once() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let service = Service::start(pool(scene.database.url(), 4), patient());
    let key = scene.session("replaced-all-the-time", "{}").await;
    let mut changes = vec![is("200 anonymous")];
    let watch = Watch::start(&service, "/optional", &format!("sessionid={key}"), 100);
    for round in 0..40 {
        watch.some_more().await;
        let change = match round % 4 {
            3 => {
                let change = is("200 no session");
                let delete = json!({ "cmd": "delete_row", "key": key });
                scene.oracle().await.ask(delete).await.unwrap();
                change
            }
            2 => {
                let change = is("200 anonymous");
                scene.session(&key, r#"{"cart": 1}"#).await;
                change
            }
            id => {
                let change = is(&format!("200 user {id}"));
                scene.session(&key, &format!(r#"{{"_auth_user_id": "{id}"}}"#)).await;
                change
            }
        };
        changes.push(change.done());
    }
    watch.oracle("row replaced by Django", &changes).await;
}

#[tokio::test]
async fn a_login_a_new_password_and_a_logout_are_seen_at_once() {
    let _turn = beside_others().await;
    let postgres = Postgres::shared().await.unwrap();
    let settings_of_site = Settings::default().user("ada", "lovelace");
    let bed = TestBed::on(&postgres, Django::V5_2, settings_of_site).await.unwrap();
    let service = Service::start(pool(bed.database_url(), 4), patient());
    let site = bed.site().await.unwrap();
    let url = |path: &str| format!("{}{path}", site.url());

    for _ in 0..2 {
        let (browser, other) = (Browser::new(), Browser::new());
        other.login(site, "ada", "lovelace").await.unwrap();
        browser.login(site, "ada", "lovelace").await.unwrap();
        let cookie = |browser: &Browser| browser.cookies(site.url()).unwrap();

        // Another browser's session ends with the password.
        let mut changes = vec![is("200 ada may ")];
        let mut own = vec![is("200 user 1")];
        let watch = Watch::start(&service, "/login_required", &cookie(&other), 50);
        let watch_own = Watch::start(&service, "/optional", &cookie(&browser), 50);
        watch.some_more().await;
        watch_own.some_more().await;
        let (change, cycled) = (is("302 "), is("200 no session"));
        let fields = [
            ("old_password", "lovelace"),
            ("new_password1", "x7-lovelace-x7"),
            ("new_password2", "x7-lovelace-x7"),
        ];
        let form = url("/accounts/password_change/");
        let answer = browser.submit(&form, &fields).await.unwrap();
        assert!(answer.status().is_redirection(), "{}", answer.status());
        changes.push(change.done());
        // The own session goes on under a new key.
        own.push(cycled.done());
        watch.oracle("password changed in another browser", &changes).await;
        watch_own.oracle("key cycled by a new password", &own).await;

        let watch = Watch::start(&service, "/login_required", &cookie(&browser), 100);
        let mut changes = vec![is("200 ada may ")];
        watch.some_more().await;
        let change = is("302 ");
        browser.logout(site).await.unwrap();
        changes.push(change.done());
        watch.oracle("session flushed by a logout", &changes).await;
        bed.oracle().await.unwrap().set_user("ada", "lovelace").await.unwrap();
    }
}

/// A login gives the session of an anonymous visitor a new key. The old key names no session from then on.
#[tokio::test]
async fn the_old_key_of_a_login_names_no_session() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let service = Service::start(pool(scene.database.url(), 4), patient());
    for round in 0..2 {
        let old = scene.session(&format!("before-login-{round}"), r#"{"cart": 1}"#).await;
        let new = format!("after-login-{round}");
        let mut changes = vec![is("200 anonymous")];
        let mut of_new = vec![is("200 no session")];
        let watch = Watch::start(&service, "/optional", &format!("sessionid={old}"), 50);
        let watch_new = Watch::start(&service, "/optional", &format!("sessionid={new}"), 50);
        watch.some_more().await;
        watch_new.some_more().await;
        // `cycle_key` inserts a new row, then deletes the old one.
        let (change, cycled) = (is("200 no session"), is("200 user 1"));
        scene.session(&new, r#"{"cart": 1, "_auth_user_id": "1"}"#).await;
        of_new.push(cycled.done());
        let delete = json!({ "cmd": "delete_row", "key": old });
        scene.oracle().await.ask(delete).await.unwrap();
        changes.push(change.done());
        watch.oracle("key cycled by a login, the old key", &changes).await;
        watch_new.oracle("key cycled by a login, the new key", &of_new).await;
    }
}
