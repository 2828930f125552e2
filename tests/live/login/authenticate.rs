//! `authenticate`: it finds the users whom Django finds, leaves the same rows, and takes the same time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_django_session::{
    AuthenticationBackend, DjangoSettings, DjangoSite, Error, Event, ParentModel, PasswordHasher,
    PermissionTables, UserModel,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, With, until};

use crate::beds::{ALLOW_ALL, Bed, MODEL_BACKEND, Rng, new_key, pool, seed, settings};

const PASSWORD: &str = "pässword-1";
/// That password, in an old and a current encoding.
const OLD: &str =
    "pbkdf2_sha256$1$abcdefghijklmnopqrstuv$IIAfMqEERC2AwjfERWk0v+TqDGfQe5vO3jSNST+BAwk=";
const TODAY: &str =
    "pbkdf2_sha256$1000$abcdefghijklmnopqrstuv$jED4+45mgPrJDWcUZTYTG8hrpoK+NgVQpf1wkt1u0lM=";
const OTHER: &str = "pbkdf2_sha1$1000$abcdefghijklmnopqrstuv$9rvtqLEOI6drBGzX88GSmgD6s/U=";

const ITERATIONS: u32 = 1000;

fn hashers() -> [PasswordHasher; 2] {
    [
        PasswordHasher::Pbkdf2Sha256 { iterations: ITERATIONS },
        PasswordHasher::Pbkdf2Sha1 { iterations: ITERATIONS },
    ]
}

fn in_python() -> Value {
    json!([
        { "algorithm": "pbkdf2_sha256", "iterations": ITERATIONS },
        { "algorithm": "pbkdf2_sha1", "iterations": ITERATIONS },
    ])
}

/// Settings that upgrade passwords to the encoding to which this Django upgrades them.
fn upgrading() -> DjangoSettings {
    settings().with(|s| s.password_hashers = Some(hashers().into()))
}

async fn password_of(bed: &Bed, username: &str) -> String {
    let user = bed.ask(json!({ "cmd": "get_user", "username": username })).await;
    user["password"].as_str().unwrap().to_owned()
}

#[testbed::test]
async fn authenticate_finds_the_same_users_and_leaves_the_same_passwords_as_django() {
    const COLUMNS: [&str; 9] = [
        TODAY,
        OLD,
        OLD,
        OTHER,
        "",
        "!unusable",
        "md5$salt$31bbd9f8c5595ff73191e72f921f414a",
        "pbkdf2_sha256$x$abcdefghijklmnopqrstuv$jED4+45mgPrJDWcUZTYTG8hrpoK+NgVQpf1wkt1u0lM=",
        // The encoding of another password.
        "pbkdf2_sha256$1$abcdefghijklmnopqrstuv$hlaZvx+fQUB7nsOXctgpvyJ4ixMmVOdSfNbS+6nH3wk=",
    ];
    const BACKENDS: [&[&str]; 4] =
        [&[MODEL_BACKEND], &[ALLOW_ALL], &[ALLOW_ALL, MODEL_BACKEND], &[MODEL_BACKEND, ALLOW_ALL]];
    let rng = &mut Rng(seed());
    let (mut found, mut upgraded) = (0, 0);
    let versions = Django::available().unwrap();
    for &django in &versions {
        let bed = Bed::without_users(django, &Settings::default()).await;
        let sites = BACKENDS.map(|backends| {
            bed.site_with(upgrading().with(|s| {
                s.authentication_backends = backends.iter().copied().map(Into::into).collect()
            }))
        });
        // The total is the same for any number of Django versions.
        for _ in 0..180 / versions.len() {
            let column = *rng.choose(&COLUMNS);
            let is_active = rng.percent(70);
            let row = json!({ "password_column": column, "is_active": is_active });
            let username =
                *rng.choose(&["ada", "ada", "ada", "ada", "Ada", " ada", "unknown", "é"]);
            let password = *rng.choose(&[PASSWORD, PASSWORD, PASSWORD, "", "wrong"]);
            let which = rng.below(BACKENDS.len());

            bed.user("ada", row.clone()).await;
            let answer = bed.oracle.ask(json!({
                "cmd": "authenticate", "username": username, "password": password,
                "hashers": in_python(), "backends": BACKENDS[which],
            }));
            // If Django raises an exception, the crate finds no user.
            let theirs = answer.await.map_or(Value::Null, |mut answer| answer["user"].take());
            let column_of_theirs = password_of(&bed, "ada").await;

            bed.user("ada", row).await;
            let user = sites[which].authenticate(username, password).await.unwrap();
            let ours = user.map_or(Value::Null, |user| json!([user.id(), user.backend()]));
            let column_of_ours = password_of(&bed, "ada").await;

            let case = format!("{django}: {username:?} {password:?} {is_active} {column}");
            assert_eq!(ours, theirs, "{case}");
            assert_eq!(column_of_ours != column, column_of_theirs != column, "{case}");
            found += usize::from(ours.is_array());
            if column_of_ours != column {
                upgraded += 1;
                let question = json!({
                    "cmd": "check_passwords", "checks": [[PASSWORD, column_of_ours]],
                    "hashers": in_python(),
                });
                let verdict = &bed.ask(question).await["verdicts"][0];
                assert_eq!(verdict, &json!({ "right": true, "update": false }), "{case}");
            }
        }
    }
    assert!(found > 15 && upgraded > 8, "{found}, {upgraded}");
}

/// Counts the hashings instead of the time: an unknown user costs as much as a wrong password.
#[testbed::test]
async fn the_response_time_does_not_reveal_who_has_a_password() {
    let bed = Bed::new().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let site =
        bed.site_with(upgrading().with(|s| s.upgrade_passwords = false)).on_event(move |event| {
            if event == Event::PasswordHashed {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
    for (name, column, is_active) in [
        ("today", TODAY, true),
        ("inactive", TODAY, false),
        ("unusable", "!unusable", true),
        ("empty", "", true),
        ("unlisted", "md5$salt$31bbd9f8c5595ff73191e72f921f414a", true),
        ("damaged", "pbkdf2_sha256$1000", true),
        ("old", OLD, true),
    ] {
        bed.user(name, json!({ "password_column": column, "is_active": is_active })).await;
    }
    let cost = async |username: &str, password: &str| {
        runs.store(0, Ordering::Relaxed);
        let user = site.authenticate(username, password).await.unwrap();
        (user.is_some(), runs.load(Ordering::Relaxed))
    };
    assert_eq!(cost("today", PASSWORD).await, (true, 1));
    for username in
        ["today", "unknown", "", "with\0NUL", "unusable", "empty", "unlisted", "damaged"]
    {
        assert_eq!(cost(username, "wrong").await, (false, 1), "{username}");
    }
    assert_eq!(cost("inactive", PASSWORD).await, (false, 1));
    assert_eq!(cost("inactive", "wrong").await, (false, 1));
    // One run with the old number of iterations, and one with the missing ones.
    assert_eq!(cost("old", "wrong").await, (false, 2));
    assert_eq!(cost("old", PASSWORD).await, (true, 1));
    assert_eq!(password_of(&bed, "old").await, OLD);
}

#[testbed::test]
async fn a_password_is_upgraded_in_the_table_that_has_it() {
    let mut child = UserModel::new("bigint_child");
    child.primary_key = "biguser_ptr_id".into();
    child.parents.push(ParentModel::new("bigint_biguser", "id", "biguser_ptr_id"));
    child.permission_tables = Some(PermissionTables::of("bigint_biguser"));
    let uuids = UserModel::new("uuids_uuiduser");
    for (name, model) in [("bigint.Child", child), ("uuids.UuidUser", uuids)] {
        let bed = Bed::of_model(name).await;
        for user in ["ada", "grace"] {
            bed.user(user, json!({ "password_column": OLD })).await;
        }
        let site = bed.site_with(upgrading().with(|s| s.user_model = model));
        let user = site.authenticate("ada", PASSWORD).await.unwrap().unwrap();
        let column = password_of(&bed, "ada").await;
        assert!(column.starts_with("pbkdf2_sha256$1000$"), "{name}: {column}");
        assert_eq!(password_of(&bed, "grace").await, OLD, "{name}");

        site.update_last_login(&user).await.unwrap();
        let table = if name == "bigint.Child" { "bigint_biguser" } else { "uuids_uuiduser" };
        let rows = bed
            .sql(&format!(
                "SELECT username, now() - last_login BETWEEN '0' AND '1 minute' FROM {table} \
                 WHERE last_login IS NOT NULL"
            ))
            .await;
        assert_eq!(rows, json!([["ada", true]]), "{name}");
        bed.ask(json!({ "cmd": "delete_user", "username": "ada" })).await;
        let gone = site.update_last_login(&user).await;
        assert!(matches!(gone, Err(Error::NotLoggedIn(_))), "{gone:?}");
    }
}

/// Another client changes the password while the old one is being upgraded: the new password stays, and
/// the old one is refused.
#[testbed::test]
async fn an_upgrade_never_overwrites_a_newer_password() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password_column": OLD })).await;
    let site = bed.site_with(upgrading());
    site.authenticate("ada", "wrong").await.unwrap();

    let mut client = pool(bed.url()).get().await.unwrap();
    let change = client.transaction().await.unwrap();
    change.execute("UPDATE auth_user SET password = 'newer'", &[]).await.unwrap();
    let login = actix_web::rt::spawn(async move { site.authenticate("ada", PASSWORD).await });
    until("the upgrade waits for the row", async || {
        let waits = "SELECT count(*) FROM pg_locks \
                     WHERE NOT granted AND transactionid = pg_current_xact_id()::xid";
        change.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
    change.commit().await.unwrap();
    assert!(login.await.unwrap().unwrap().is_none());
    assert_eq!(password_of(&bed, "ada").await, "newer");
}

/// `set_password` overwrites any password in the row, as Django's `save()` does.
#[testbed::test]
async fn set_password_writes_what_django_writes() {
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &Settings::default()).await;
        bed.user("ada", json!({ "password_column": OLD })).await;
        let site = bed.site_with(upgrading());
        let ada = site.user_by_username("ada").await.unwrap();
        for (before, password) in [(OLD, "one"), ("!unusable", "zw\u{f6}lf"), (TODAY, "")] {
            bed.user("ada", json!({ "password_column": before })).await;
            let now = site.set_password(&ada, password).await.unwrap();
            assert_eq!(now.id(), ada.id());
            let question = json!({
                "cmd": "authenticate", "username": "ada", "password": password,
                "hashers": in_python(), "backends": [MODEL_BACKEND],
            });
            assert_eq!(bed.ask(question).await["user"], json!([ada.id(), MODEL_BACKEND]));
        }
        // A model may allow NULL there.
        bed.sql("ALTER TABLE auth_user ALTER password DROP NOT NULL").await;
        bed.sql("UPDATE auth_user SET password = NULL").await;
        let ada = site.set_password(&ada, "two").await.unwrap();
        let nameless = upgrading().with(|s| s.user_model.session_auth_hash = None);
        let refused = bed.site_with(nameless).set_password(&ada, "x").await;
        assert!(matches!(refused, Err(Error::ImproperlyConfigured(_))), "{refused:?}");

        // A policy of the table permits no update: the result is an error, without endless retries.
        bed.sql(
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        )
        .await;
        bed.sql(
            "CREATE TRIGGER keep BEFORE UPDATE ON auth_user FOR EACH ROW EXECUTE FUNCTION keep()",
        )
        .await;
        let refused = site.set_password(&ada, "x").await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        bed.sql("ALTER TABLE auth_user DISABLE TRIGGER keep").await;
        bed.sql("UPDATE auth_user SET password = NULL").await;
        bed.sql("ALTER TABLE auth_user ENABLE TRIGGER keep").await;
        let refused = site.set_password(&ada, "x").await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        bed.sql("DROP TRIGGER keep ON auth_user").await;
        bed.ask(json!({ "cmd": "delete_user", "username": "ada" })).await;
        let gone = site.set_password(&ada, "x").await;
        assert!(matches!(gone, Err(Error::NotLoggedIn(_))), "{gone:?}");
    }
}

/// A trigger in the database replaces the new encoding with an old one each time.
#[testbed::test]
async fn a_password_upgrade_is_tried_once() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password_column": OLD })).await;
    bed.sql("CREATE SEQUENCE tries").await;
    bed.sql(&format!(
        "CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN \
         IF pg_trigger_depth() > 1 OR nextval(''tries'') > 20 THEN RETURN NEW; END IF; \
         UPDATE auth_user SET password = CASE OLD.password \
         WHEN ''{OLD}'' THEN ''{OTHER}'' ELSE ''{OLD}'' END WHERE id = OLD.id; \
         RETURN NULL; END'"
    ))
    .await;
    bed.sql("CREATE TRIGGER swap BEFORE UPDATE ON auth_user FOR EACH ROW EXECUTE FUNCTION swap()")
        .await;
    let site = bed.site_with(upgrading());
    assert!(site.authenticate("ada", PASSWORD).await.unwrap().is_some());
    assert_eq!(bed.sql("SELECT last_value::int FROM tries").await, json!([[1]]));
    assert_eq!(password_of(&bed, "ada").await, OTHER);
}

#[testbed::test]
async fn a_role_needs_the_right_to_update_passwords_only_for_upgrades() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password_column": OLD })).await;
    let role = format!("authenticates_{}", new_key());
    bed.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    bed.sql(&format!("GRANT SELECT ON auth_user TO {role}")).await;
    let (_, address) = bed.url().split_once('@').unwrap();
    let pool = pool(&format!("postgres://{role}:secret@{address}"));
    let site = |settings| DjangoSite::new(pool.clone(), settings).unwrap();

    let reads = site(upgrading().with(|s| s.upgrade_passwords = false));
    assert!(reads.authenticate("ada", PASSWORD).await.unwrap().is_some());
    let writes = site(upgrading());
    let refused = writes.authenticate("ada", PASSWORD).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_eq!(password_of(&bed, "ada").await, OLD);

    bed.sql(&format!("GRANT UPDATE (password) ON auth_user TO {role}")).await;
    let user = writes.authenticate("ada", PASSWORD).await.unwrap().unwrap();
    assert_ne!(password_of(&bed, "ada").await, OLD);
    assert!(matches!(writes.update_last_login(&user).await, Err(Error::Unavailable(_))));
    bed.sql(&format!("GRANT UPDATE (last_login) ON auth_user TO {role}")).await;
    writes.update_last_login(&user).await.unwrap();
}

/// A backend may lock visitors out, as the one of django-axes does, so skipping it must be logged.
#[testbed::test]
async fn skipping_an_unknown_backend_is_logged() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password_column": TODAY })).await;
    let own = || AuthenticationBackend::new("axes.backends.AxesStandaloneBackend");
    let site = |backends: Vec<AuthenticationBackend>| {
        bed.site_with(upgrading().with(|s| s.authentication_backends = backends))
    };
    let model_backend = || AuthenticationBackend::new(MODEL_BACKEND);

    let unsaid = site(vec![own(), model_backend()]).authenticate("ada", PASSWORD).await;
    match unsaid {
        Err(Error::ImproperlyConfigured(reason)) => assert!(reason.contains("Axes"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let message = site(vec![own().with(|b| b.checks_passwords = Some(false)), model_backend()]);
    let user = message.authenticate("ada", PASSWORD).await.unwrap().unwrap();
    assert_eq!(user.backend(), Some(MODEL_BACKEND));
    // Django calls this backend only if the one before finds no user.
    let behind = site(vec![model_backend(), own()]);
    assert!(behind.authenticate("ada", PASSWORD).await.unwrap().is_some());
    assert!(behind.authenticate("ada", "wrong").await.unwrap().is_none());
    let none = site(vec![own().with(|b| b.checks_passwords = Some(false))])
        .authenticate("ada", PASSWORD)
        .await;
    assert!(matches!(none, Err(Error::ImproperlyConfigured(_))), "{none:?}");
}
