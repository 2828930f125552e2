//! Values that no row can have: there is no session or user, and no error.

use actix_django_session::{DjangoSettings, DjangoSite, Error, SessionKey, UserModel};
use futures_util::future::join_all;
use serde_json::json;
use testbed::With;

use crate::{
    beside_others,
    scene::Scene,
    service::{pool, settings},
};

fn key(text: &str) -> SessionKey {
    SessionKey::new(text).unwrap()
}

/// Such a value also comes in one batch with others.
#[tokio::test]
async fn a_key_with_a_character_that_the_database_lacks_names_no_session() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    let name = format!("{}_latin1", scene.database.name());
    let create = format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    );
    admin.batch_execute(&create).await.unwrap();
    let url = scene.database.url().replace(scene.database.name(), &name);
    let client = crate::scene::connect(&url).await;
    let table = "CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, \
        session_data text NOT NULL, expire_date timestamptz NOT NULL); \
        INSERT INTO django_session VALUES ('known-session-key', 'x', now() + interval '1 day'), \
        ('ééééééééé', 'x', now() + interval '1 day')";
    client.batch_execute(table).await.unwrap();
    let site = DjangoSite::new(pool(&url, 1), settings()).unwrap();
    for _ in 0..5 {
        let keys: Vec<_> = (0..30)
            .map(|number| match number % 3 {
                0 => key("known-session-key"),
                1 => key("ééééééééé"),
                _ => key(&format!("😀😀😀😀😀😀😀😀{number}")),
            })
            .collect();
        let answers = join_all(keys.iter().map(|key| site.load(key))).await;
        for (number, answer) in answers.into_iter().enumerate() {
            match number % 3 {
                0 | 1 => drop(answer.unwrap()),
                _ => assert!(matches!(answer, Err(Error::SessionNotFound)), "{answer:?}"),
            }
        }
    }
    drop((site, client));
    admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
}

/// Ids that the domain of the primary key forbids, in one query with ids that it allows.
#[tokio::test]
async fn an_id_outside_of_a_domain_names_no_user_and_affects_no_other() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    let domain = "CREATE DOMAIN even AS text CHECK (VALUE ~ '^[0-9]*[02468]$'); \
        CREATE TABLE members (id even PRIMARY KEY, username text, password text, \
        is_active boolean, is_staff boolean, is_superuser boolean); \
        INSERT INTO members SELECT i::text, 'member ' || i, '', true, false, false \
        FROM generate_series(2, 40, 2) i";
    admin.batch_execute(domain).await.unwrap();
    let mut model = UserModel::new("members");
    model.permission_tables = None;
    model.session_auth_hash = None;
    let site =
        DjangoSite::new(pool(scene.database.url(), 1), settings().with(|s| s.user_model = model));
    let site = site.unwrap();
    let mut sessions = Vec::new();
    for id in 1..=40 {
        let data = json!({
            "_auth_user_id": id.to_string(),
            "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        });
        let key = scene.session(&format!("session-of-{id:03}"), &data.to_string()).await;
        sessions.push(site.load(&SessionKey::new(key).unwrap()).await.unwrap());
    }
    for _ in 0..3 {
        let users = join_all(sessions.iter().map(|session| site.get_user(session))).await;
        for (id, user) in (1..).zip(users) {
            match user {
                Ok(user) => assert_eq!((user.id(), id % 2), (&*id.to_string(), 0)),
                Err(error) => assert!(error.wants_login() && id % 2 == 1, "{id}: {error:?}"),
            }
        }
    }
}

/// A site may have longer session keys than Django's own.
#[tokio::test]
async fn keys_are_looked_up_as_long_as_the_column_is() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    let sessions = |table: &str, column: &str| {
        format!(
            "CREATE TABLE {table} (session_key {column} PRIMARY KEY, session_data text NOT NULL, \
             expire_date timestamptz NOT NULL); INSERT INTO {table} \
             SELECT repeat('k', length), (SELECT max(session_data) FROM django_session), \
             now() + interval '1 day' FROM unnest('{{40, 41, 128}}'::int[]) length WHERE length <= 128"
        )
    };
    admin.batch_execute(&sessions("long_session", "varchar(128)")).await.unwrap();
    admin.batch_execute(&sessions("any_session", "text")).await.unwrap();
    let store_of = |settings: DjangoSettings| {
        DjangoSite::new(pool(scene.database.url(), 1), settings).unwrap()
    };
    for table in ["long_session", "any_session"] {
        let site = store_of(settings().with(|s| s.session_table = table.into()));
        site.check().await.unwrap();
        for length in [40, 41, 128] {
            site.load(&key(&"k".repeat(length))).await.unwrap();
        }
        for length in [39, 127, 129, 5_000] {
            let answer = site.load(&key(&"k".repeat(length))).await;
            assert!(matches!(answer, Err(Error::SessionNotFound)), "{table} {length}");
        }
    }
    let answer = store_of(settings()).load(&key(&"k".repeat(41))).await;
    assert!(matches!(answer, Err(Error::SessionNotFound)));
}
