//! A site remembers the last user of a session, so that one query can load the whole visit, and it
//! remembers decoded session data. Its answers are always those of a site that remembers nothing, even if
//! the session or the user has changed.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error, Event,
    NotLoggedIn, SessionData, SessionKey, SessionSigner,
};
use actix_web::web;
use futures_util::future::{join_all, try_join_all};
use serde_json::json;
use testbed::{Proxy, Settings, With};
use tokio_postgres::{Client, NoTls, connect};

use crate::{
    app::TestApp,
    beds::{Bed, Rng, new_key, pool, seed, settings},
    login_required::sessions::session_of,
};

const STEPS: usize = 400;

async fn name(user: DjangoUser) -> String {
    user.username().to_owned()
}

fn app(site: DjangoSite) -> TestApp {
    TestApp::with_routes(move |config| {
        let middleware = DjangoSessionMiddleware::login_required(site.clone());
        config.service(web::resource("/name").wrap(middleware).to(name));
    })
}

/// Creates users; returns for each the session data that names the user.
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

/// The user that a site without any memory admits.
async fn expected(site: &DjangoSite, key: &str) -> Option<String> {
    let session = site.load(&SessionKey::new(key).unwrap()).await.ok()?;
    let user = site.get_user(&session).await.ok()?;
    Some(user.username().to_owned())
}

#[testbed::test]
async fn what_is_remembered_never_changes_an_answer() {
    let bed = Bed::new().await;
    let names = ["ada", "bob", "cyd"];
    let texts = users(&bed, &names).await;
    let keys: Vec<_> = (0..4).map(|_| new_key()).collect();
    let app = app(bed.site());
    let plain = bed.site_with(settings().with(|s| s.max_memo_size = 0));
    let mut rng = Rng(seed());
    let (mut let_in, mut turned_away) = (0, 0);
    for step in 0..STEPS {
        let (key, name) = (rng.choose(&keys).clone(), *rng.choose(&names));
        match rng.below(14) {
            0..6 => put(&bed, &key, rng.choose::<String>(&texts)).await,
            6 => drop(
                bed.sql(&format!("DELETE FROM django_session WHERE session_key = '{key}'")).await,
            ),
            7 => {
                let flip = format!(
                    "UPDATE auth_user SET is_active = NOT is_active WHERE username = '{name}'"
                );
                bed.sql(&flip).await;
            }
            8 => {
                // Sets another password, and the next time the old one again.
                let turn = "UPDATE auth_user SET password = reverse(password)";
                bed.sql(&format!("{turn} WHERE username = '{name}'")).await;
            }
            9 => {
                // Writes another text of the same length, and the next time the old one again.
                let turn = "UPDATE django_session SET session_data = reverse(session_data)";
                bed.sql(&format!("{turn} WHERE session_key = '{key}'")).await;
            }
            _ => {}
        }
        let answer = app.get("/name", &key).await;
        let got = match answer.status {
            200 => Some(answer.text()),
            status => {
                assert_eq!(status, 302, "step {step}");
                None
            }
        };
        assert_eq!(got, expected(&plain, &key).await, "step {step}");
        if got.is_some() { let_in += 1 } else { turned_away += 1 }
    }
    assert!(let_in > STEPS / 20 && turned_away > STEPS / 10, "{let_in} {turned_away}");
}

#[testbed::test]
async fn a_wrong_hint_costs_a_single_query() {
    let bed = Bed::new().await;
    let texts = users(&bed, &["ada", "bob"]).await;
    let key = new_key();
    let proxy = Proxy::before(bed.url()).await;
    // The timeout is long: on a busy machine the crate could repeat a slow query.
    let mut settings = settings();
    settings.timeout = Duration::from_secs(60);
    let app = app(DjangoSite::new(pool(proxy.url()), settings).unwrap());
    put(&bed, &key, &texts[0]).await;
    // The second request has an open connection.
    for _ in 0..2 {
        assert_eq!(app.status("/name", &key).await, 200);
    }
    proxy.executed();
    for (text, name, queries) in [(0, "ada", 1), (1, "bob", 2), (1, "bob", 1), (0, "ada", 2)] {
        put(&bed, &key, &texts[text]).await;
        assert_eq!(app.get("/name", &key).await.text(), name);
        assert_eq!(proxy.executed(), queries);
    }
    bed.sql("DELETE FROM django_session").await;
    // The crate queries both once more, then the session alone, because it has forgotten the user.
    for queries in [2, 1] {
        assert_eq!(app.status("/name", &key).await, 302);
        assert_eq!(proxy.executed(), queries);
    }
    put(&bed, &key, &texts[0]).await;
    for queries in [2, 1] {
        assert_eq!(app.get("/name", &key).await.text(), "ada");
        assert_eq!(proxy.executed(), queries);
    }
}

/// Django's own table has no NULL; another one may.
#[testbed::test]
async fn a_session_whose_data_becomes_null_is_no_session() {
    let bed = Bed::new().await;
    let texts = users(&bed, &["ada"]).await;
    let key = new_key();
    put(&bed, &key, &texts[0]).await;
    let app = app(bed.site());
    for status in [200, 200] {
        assert_eq!(app.status("/name", &key).await, status);
    }
    bed.sql("ALTER TABLE django_session ALTER session_data DROP NOT NULL").await;
    bed.sql("UPDATE django_session SET session_data = NULL").await;
    for status in [302, 302] {
        assert_eq!(app.status("/name", &key).await, status);
    }
}

/// A middleware without a permission needs no right to read the permission tables, and does not wait for
/// locks on them.
#[testbed::test]
async fn permissions_are_not_read_unless_a_middleware_asks_for_them() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x" })).await;
    let key = bed.login("ada").await;
    let app = app(bed.site());
    assert_eq!(app.status("/name", &key).await, 200);
    let mut client = client(&bed).await;
    let lock = client.transaction().await.unwrap();
    let tables = "auth_permission, auth_group_permissions, auth_user_groups";
    lock.batch_execute(&format!("LOCK TABLE {tables}")).await.unwrap();
    assert_eq!(app.status("/name", &key).await, 200);
    lock.rollback().await.unwrap();
}

/// One statement reads the state of one moment; no part of the answer is older.
#[testbed::test]
async fn a_change_takes_effect_at_once() {
    let bed = Bed::new().await;
    let texts = users(&bed, &["ada", "bob"]).await;
    let permitted = json!({ "permissions": ["shop.add_item", "shop.weird.name"] });
    bed.user("ada", permitted).await;
    let key = new_key();
    put(&bed, &key, &texts[0]).await;
    let site = bed.site();
    let app = TestApp::with_routes(move |config| {
        let login = DjangoSessionMiddleware::login_required(site.clone());
        let item = login.clone().permission_required("shop.add_item");
        let both = item.clone().permission_required("shop.weird.name");
        config
            .service(web::resource("/name").wrap(login).to(name))
            .service(web::resource("/item").wrap(item).to(name))
            .service(web::resource("/both").wrap(both).to(name));
    });
    let statuses = async || {
        let mut statuses = [0; 3];
        for (status, path) in statuses.iter_mut().zip(["/name", "/item", "/both"]) {
            *status = app.status(path, &key).await;
        }
        statuses
    };
    let of_ada = "WHERE username = 'ada'";
    let item = "(SELECT id FROM auth_permission WHERE codename = 'add_item')";
    assert_eq!(statuses().await, [200, 200, 200]);
    for (change, expected) in [
        (
            format!("DELETE FROM auth_user_user_permissions WHERE permission_id = {item}"),
            [200, 403, 403],
        ),
        (
            format!(
                "INSERT INTO auth_group (name) VALUES ('staff'); INSERT INTO auth_group_permissions \
                 (group_id, permission_id) SELECT max(id), {item} FROM auth_group"
            ),
            [200, 403, 403],
        ),
        (
            format!(
                "INSERT INTO auth_user_groups (user_id, group_id) \
                 SELECT u.id, g.id FROM auth_user u, auth_group g {of_ada}"
            ),
            [200, 200, 200],
        ),
        ("DELETE FROM auth_user_user_permissions".into(), [200, 200, 403]),
        (format!("UPDATE auth_user SET is_superuser = TRUE {of_ada}"), [200, 200, 200]),
        (format!("UPDATE auth_user SET is_active = FALSE {of_ada}"), [302, 302, 302]),
        (format!("UPDATE auth_user SET is_active = TRUE {of_ada}"), [200, 200, 200]),
        (format!("UPDATE auth_user SET password = reverse(password) {of_ada}"), [302, 302, 302]),
        (format!("UPDATE auth_user SET password = reverse(password) {of_ada}"), [200, 200, 200]),
        // Changes one character of the signature.
        ("UPDATE django_session SET session_data = left(session_data, -1) || '!'".into(), [302; 3]),
        (format!("UPDATE django_session SET session_data = '{}'", texts[1]), [200, 403, 403]),
        (format!("UPDATE django_session SET session_data = '{}'", texts[0]), [200; 3]),
        ("UPDATE django_session SET expire_date = now() - interval '1 second'".into(), [302; 3]),
        ("UPDATE django_session SET expire_date = now() + interval '1 day'".into(), [200; 3]),
        ("DELETE FROM auth_user_groups; DELETE FROM auth_user".into(), [302; 3]),
    ] {
        for statement in change.split("; ") {
            bed.sql(statement).await;
        }
        // Two requests: the second one uses the remembered data.
        for _ in 0..2 {
            assert_eq!(statuses().await, expected, "{change}");
        }
    }
}

/// A session with a fallback key is admitted, and each request reports that the old key is still needed.
#[testbed::test]
async fn every_request_reports_the_use_of_a_fallback_key() {
    let bed = Bed::new().await;
    let texts = users(&bed, &["ada"]).await;
    let key = new_key();
    put(&bed, &key, &texts[0]).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let mut rotated = DjangoSettings::new("a new key");
    rotated.secret_key_fallbacks = vec![Settings::SECRET_KEY.into()];
    let site = bed.site_with(rotated).on_event(move |event| {
        if event == Event::FallbackKey {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let app = app(site);
    for visits in 1..4 {
        assert_eq!(app.status("/name", &key).await, 200);
        // One event for the session data, and one for the session auth hash.
        assert_eq!(count.load(Ordering::Relaxed), 2 * visits);
    }
}

/// One site has verified the hash of a session; another site verifies it again with its own keys.
#[testbed::test]
async fn a_site_does_not_trust_what_another_site_verified() {
    let bed = Bed::new().await;
    let texts = users(&bed, &["ada"]).await;
    let key = new_key();
    put(&bed, &key, &texts[0]).await;
    let (site, same) = (bed.site(), bed.site());
    let other = bed.site_with(DjangoSettings::new("another key"));
    let session = site.load(&SessionKey::new(&*key).unwrap()).await.unwrap();
    for _ in 0..2 {
        assert!(site.get_user(&session).await.is_ok());
        assert!(same.get_user(&session).await.is_ok());
        let refused = other.get_user(&session).await.unwrap_err();
        assert!(matches!(refused, Error::NotLoggedIn(NotLoggedIn::WrongHash)), "{refused}");
    }
}

/// The address of the data in memory: shared data has one address.
fn address(session: &DjangoSession) -> *const u8 {
    let Cow::Borrowed(json) = session.data().unwrap().to_json() else { panic!("it is decoded") };
    json.as_ptr()
}

#[testbed::test]
async fn the_same_text_is_decoded_once() {
    let bed = Bed::new().await;
    let texts = users(&bed, &["ada", "bob"]).await;
    let key = SessionKey::generate();
    let site = bed.site();
    let clone = site.clone();
    put(&bed, key.as_str(), &texts[0]).await;
    let first = site.load(&key).await.unwrap();
    let again = clone.load(&key).await.unwrap();
    assert_eq!(address(&first), address(&again));
    put(&bed, key.as_str(), &texts[1]).await;
    let other = site.load(&key).await.unwrap();
    assert_ne!(address(&first), address(&other));
    assert_ne!(first.user_id().unwrap(), other.user_id().unwrap());

    let forgetful = bed.site_with(settings().with(|s| s.max_memo_size = 0));
    let (one, two) = (forgetful.load(&key).await.unwrap(), forgetful.load(&key).await.unwrap());
    assert_ne!(address(&one), address(&two));
}

/// 300 concurrent requests for a session of 4 MiB share one copy of the row and one copy of the decoded
/// data, although it is too large to be remembered.
#[testbed::test]
async fn concurrent_requests_share_one_row() {
    const SIZE: usize = 4 << 20;
    let bed = Bed::new().await;
    // Text that cannot be compressed.
    let mut rng = Rng(seed());
    let noise: String = (0..SIZE).map(|_| char::from(b'!' + rng.below(90) as u8)).collect();
    let data = SessionData::from_object(&json!({ "noise": noise })).unwrap();
    let key = SessionKey::generate();
    put(&bed, key.as_str(), &data.encode(&SessionSigner::new(&settings()).unwrap())).await;
    let site = bed.site_with(settings().with(|s| s.timeout = Duration::from_secs(60)));
    let sessions = try_join_all((0..300).map(|_| site.load(&key))).await.unwrap();
    let texts: BTreeSet<_> = sessions.iter().map(|one| one.session_data().as_ptr()).collect();
    assert!(texts.len() <= 2, "{} copies of the row", texts.len());
    let decoded: BTreeSet<_> = sessions.iter().map(address).collect();
    assert!(decoded.len() <= 2, "{} copies of the data", decoded.len());
    assert!(sessions[0].session_data().len() > SIZE);
}

/// Each request of a batch gets its own answer: a value that the database cannot deliver fails only the
/// request that needs it.
#[testbed::test]
async fn a_broken_row_fails_only_its_own_visitor() {
    const VISITORS: usize = 12;
    let bed = Bed::new().await;
    let texts = users(&bed, &["ada", "bob"]).await;
    let keys: Vec<_> = (0..VISITORS).map(|_| new_key()).collect();
    for (index, key) in keys.iter().enumerate() {
        put(&bed, key, &texts[usize::from(index == 1)]).await;
    }
    let app = Arc::new(app(bed.site()));
    for key in &keys {
        assert_eq!(app.status("/name", key).await, 200);
    }
    // The session of the first visitor and the user of the second are broken.
    for (table, column, bad) in [
        ("django_session", "session_data", format!("session_key = '{}'", keys[0])),
        ("auth_user", "username", "username = 'bob'".into()),
    ] {
        let columns = bed
            .sql(&format!(
                "SELECT string_agg(CASE column_name::text WHEN '{column}' THEN 'CASE WHEN {} \
                 THEN (1 / (length({column}) * 0))::text ELSE {column} END AS {column}' ELSE column_name::text END, ', ') \
                 FROM information_schema.columns WHERE table_name = '{table}'",
                bad.replace('\'', "''")
            ))
            .await;
        let columns = columns[0][0].as_str().unwrap();
        bed.sql(&format!("ALTER TABLE {table} RENAME TO {table}_of_old")).await;
        bed.sql(&format!("CREATE VIEW {table} AS SELECT {columns} FROM {table}_of_old")).await;
    }
    for _ in 0..3 {
        let visits = keys.iter().map(|key| app.status("/name", key));
        let statuses = join_all(visits).await;
        assert_eq!(statuses[..2], [503, 503]);
        assert!(statuses[2..].iter().all(|status| *status == 200), "{statuses:?}");
    }
}

async fn client(bed: &Bed) -> Client {
    let (client, connection) = connect(bed.url(), NoTls).await.unwrap();
    actix_web::rt::spawn(connection);
    client
}
