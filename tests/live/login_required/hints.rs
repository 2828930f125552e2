//! The middleware remembers whom a session key stood for last, to ask for both rows at once. Whatever
//! becomes of session and user in between, its answers are those of a store that remembers nothing.

use std::{sync::Arc, time::Duration};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, DjangoUser, SessionData, SessionKey, SessionSigner,
};
use actix_web::web;
use serde_json::json;
use testbed::{Proxy, until};
use tokio_postgres::{Client, NoTls, connect};

use crate::{
    beds::{Bed, Dice, new_key, pool, seed, settings},
    login_required::sessions::session_of,
    probe::TestApp,
};

const STEPS: usize = 400;

async fn name(user: DjangoUser) -> String {
    user.username().to_owned()
}

fn app(site: DjangoSite) -> TestApp {
    TestApp::start(move |config| {
        let middleware = DjangoSessionMiddleware::login_required(site.clone());
        config.service(web::resource("/name").wrap(middleware).to(name));
    })
}

/// Users and, for each, the session data that names them.
async fn users(bed: &Bed, names: &[&str]) -> Vec<String> {
    let signer = SessionSigner::new(&settings()).unwrap();
    let mut texts = Vec::new();
    for name in names {
        let user = bed.user(name, json!({ "password": name })).await;
        let [pk, hash] = [&user["pk"], &user["session_auth_hash"]].map(|value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let data = SessionData::from_json(&session_of(&pk, &hash)).unwrap();
        texts.push(data.encode(&signer));
    }
    texts
}

async fn put(bed: &Bed, key: &str, session_data: &str) {
    bed.sql(&format!(
        "INSERT INTO django_session VALUES ('{key}', '{session_data}', now() + interval '1 day') \
         ON CONFLICT (session_key) DO UPDATE SET session_data = excluded.session_data"
    ))
    .await;
}

/// Whom a store without hints lets in.
async fn expected(site: &DjangoSite, key: &str) -> Option<String> {
    let session = site.load(&SessionKey::new(key).unwrap()).await.ok()?;
    let user = site.get_user(&session).await.ok()?;
    Some(user.username().to_owned())
}

#[actix_web::test]
async fn a_hint_never_changes_an_answer() {
    let bed = Bed::new().await;
    let names = ["ada", "bob", "cyd"];
    let texts = users(&bed, &names).await;
    let keys: Vec<_> = (0..4).map(|_| new_key()).collect();
    let app = app(bed.site());
    let plain = bed.site();
    let mut dice = Dice(seed());
    let (mut let_in, mut turned_away) = (0, 0);
    for step in 0..STEPS {
        let (key, name) = (dice.choose(&keys).clone(), *dice.choose(&names));
        match dice.below(8) {
            0 | 1 => put(&bed, &key, dice.choose::<String>(&texts)).await,
            2 => drop(
                bed.sql(&format!("DELETE FROM django_session WHERE session_key = '{key}'")).await,
            ),
            3 => {
                let flip = format!(
                    "UPDATE auth_user SET is_active = NOT is_active WHERE username = '{name}'"
                );
                bed.sql(&flip).await;
            }
            _ => {}
        }
        let answer = app.get("/name", &key).await;
        let got = match answer.status().as_u16() {
            200 => Some(answer.text().await.unwrap()),
            status => {
                assert_eq!(status, 302, "step {step}");
                None
            }
        };
        assert_eq!(got, expected(&plain, &key).await, "step {step}");
        if got.is_some() { let_in += 1 } else { turned_away += 1 }
    }
    assert!(let_in > STEPS / 10 && turned_away > STEPS / 10, "{let_in} {turned_away}");
}

#[actix_web::test]
async fn a_wrong_hint_costs_one_query_and_none_after_that() {
    let bed = Bed::new().await;
    let texts = users(&bed, &["ada", "bob"]).await;
    let key = new_key();
    let proxy = Proxy::before(bed.url()).await;
    // So that a busy machine does not look like a silent connection, where the same is asked again.
    let settings = settings().timeout(Duration::from_secs(60));
    let app = app(DjangoSite::new(pool(proxy.url()), settings).unwrap());
    put(&bed, &key, &texts[0]).await;
    assert_eq!(app.status("/name", &key).await, 200);
    proxy.executed();
    for (text, name, queries) in [(0, "ada", 2), (1, "bob", 3), (1, "bob", 2), (0, "ada", 3)] {
        put(&bed, &key, &texts[text]).await;
        assert_eq!(app.get("/name", &key).await.text().await.unwrap(), name);
        assert_eq!(proxy.executed(), queries);
    }
    bed.sql("DELETE FROM django_session").await;
    // Both are asked for once more; then there is no hint.
    for _ in 0..2 {
        assert_eq!(app.status("/name", &key).await, 302);
    }
    // Nobody waited for that user's row: the question comes by before the next one for a user.
    put(&bed, &key, &texts[0]).await;
    assert_eq!(app.get("/name", &key).await.text().await.unwrap(), "ada");
    assert_eq!(proxy.executed(), 2 + 1 + 2);
}

/// Who may ask for the permissions of a user gets them in the same round trip.
#[actix_web::test]
async fn permissions_are_asked_for_at_once_and_waited_for_only_if_needed() {
    let bed = Bed::new().await;
    let user = json!({ "password": "x", "permissions": ["shop.add_item"] });
    bed.user("ada", user).await;
    let key = bed.login("ada").await;
    let site = bed.store_with(settings().timeout(Duration::from_secs(60)));
    let app = Arc::new(TestApp::start(move |config| {
        let middleware = DjangoSessionMiddleware::login_required(site.clone());
        let middleware = middleware.permission_required("shop.add_item");
        config.service(web::resource("/name").wrap(middleware).to(name));
    }));
    assert_eq!(app.status("/name", &key).await, 200);

    let (mut first, mut second) = (client(&bed).await, client(&bed).await);
    let sessions = first.transaction().await.unwrap();
    sessions.batch_execute("LOCK TABLE django_session").await.unwrap();
    let permissions = second.transaction().await.unwrap();
    permissions.batch_execute("LOCK TABLE auth_permission").await.unwrap();
    let visit = || {
        let (app, key) = (Arc::clone(&app), key.clone());
        actix_web::rt::spawn(async move { app.status("/name", &key).await })
    };
    let waits = "SELECT count(*) FROM pg_locks JOIN pg_class c ON c.oid = relation \
                 WHERE NOT granted AND relname = 'auth_permission' \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let (visitor, watcher) = (visit(), client(&bed).await);
    until("somebody asks for the permissions", async || {
        watcher.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
    sessions.rollback().await.unwrap();
    permissions.rollback().await.unwrap();
    assert_eq!(visitor.await.unwrap(), 200);

    // Somebody who does not come as far as that.
    let permissions = second.transaction().await.unwrap();
    permissions.batch_execute("LOCK TABLE auth_permission").await.unwrap();
    bed.sql("UPDATE auth_user SET is_active = FALSE").await;
    assert_eq!(visit().await.unwrap(), 302);
    permissions.rollback().await.unwrap();
}

async fn client(bed: &Bed) -> Client {
    let (client, connection) = connect(bed.url(), NoTls).await.unwrap();
    actix_web::rt::spawn(connection);
    client
}
