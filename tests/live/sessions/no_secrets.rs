//! No write puts a secret that gives access to a session into the log.

use std::error::Error as _;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, Error, PasswordHasher, SessionKey, Unavailable,
};
use actix_web::{App, http::header::SET_COOKIE, web};
use deadpool_postgres::{HookError, PoolError};
use serde_json::json;
use testbed::{Django, Log, Settings, With};

use crate::{
    app::TestApp,
    beds::{Bed, out_of_reach, settings},
};

const VALUE: &str = "hush-a-value";

async fn change(session: DjangoSessionMut, path: web::Path<String>) -> Result<&'static str, Error> {
    match &**path {
        "insert" => session.insert("x", VALUE)?,
        "cycle" => session.cycle_key(),
        "clear" => session.clear(),
        "flush" => session.flush(),
        "misfit" => session.update("x", |x: &mut u32| *x += 1)?,
        "expiry" => session.insert("_session_expiry", VALUE)?,
        "save" => {
            session.insert("x", VALUE)?;
            session.save().await?;
        }
        _ => {}
    }
    Ok("changed")
}

#[testbed::test]
async fn no_log_line_has_a_session_key_or_session_data_of_what_is_written() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let mut writing = settings();
    writing.write_sessions = true;
    writing.session_save_every_request = true;
    let sites = [
        bed.site_with(writing.clone()),
        bed.site_with(writing.clone().with(|s| s.prepared_statements = false)),
        // Only reads work: PostgreSQL's errors about writes reach the log.
        bed.site_with(writing.clone().with(|s| s.session_table = "read_only".into())),
        out_of_reach(writing),
    ];
    bed.sql("CREATE VIEW read_only AS SELECT DISTINCT * FROM django_session").await;
    let json = format!(r#"{{"x":"{VALUE}"}}"#);
    for site in sites {
        let middleware = DjangoSessionMiddleware::optional(site.clone());
        let app = TestApp::start(move || {
            App::new().wrap(middleware.clone()).route("/{change}", web::get().to(change))
        })
        .with_log();
        let mut secrets = vec![VALUE.to_owned(), "hush".to_owned()];
        for change in ["insert", "cycle", "clear", "flush", "misfit", "expiry", "save", "nothing"] {
            let key = bed.session(&json).await;
            for answer in [
                app.get(&format!("/{change}"), &key).await,
                app.get_without_cookie(&format!("/{change}")).await,
                app.get(&format!("/{change}"), "hush-an-unknown-key").await,
            ] {
                let cookie = answer.header(SET_COOKIE.as_str()).unwrap_or_default();
                let sent =
                    cookie.strip_prefix("sessionid=").and_then(|rest| rest.split(';').next());
                let sent = sent.and_then(|key| SessionKey::new(key.trim_matches('"')));
                secrets.extend(sent.map(|key| key.as_str().to_owned()));
            }
            if let Ok(row) = site.load(&SessionKey::new(&*key).unwrap()).await {
                let parts = row.session_data().split(':').filter(|part| part.len() > 6);
                secrets.extend(parts.map(str::to_owned));
            }
            secrets.push(key);
        }
        let heard = app.log().lines();
        let ours = heard.iter().filter(|line| line.target.starts_with("actix_django_session"));
        assert!(ours.count() > 10, "the test captures no log lines");
        // Ignores the log lines of actix about the requests that it reads.
        for line in heard.iter().filter(|line| !line.target.starts_with("actix_http")) {
            for secret in &secrets {
                assert!(!line.text.contains(&**secret), "{secret} is in {line:?}");
            }
        }
    }
}

/// An obstacle to a change, the statement that removes it, a statement that fails because of it, and the
/// code of PostgreSQL's error.
///
/// PostgreSQL repeats whole rows in the details of errors, and values in messages about data; a site's
/// function can put anything into its message.
const OBSTACLES: [(&str, &str, &str, &str); 5] = [
    (
        "CREATE TABLE refers (session varchar(40) REFERENCES django_session \
         DEFERRABLE INITIALLY DEFERRED); INSERT INTO refers SELECT session_key FROM django_session",
        "DROP TABLE refers",
        "DELETE FROM django_session WHERE session_key = $1",
        "23503",
    ),
    (
        "ALTER TABLE django_session ADD CONSTRAINT never CHECK (session_key = '') NOT VALID",
        "ALTER TABLE django_session DROP CONSTRAINT never",
        "UPDATE django_session SET expire_date = expire_date WHERE session_key = $1",
        "23514",
    ),
    (
        "ALTER TABLE auth_user ADD CONSTRAINT never CHECK (password = '') NOT VALID",
        "ALTER TABLE auth_user DROP CONSTRAINT never",
        "UPDATE auth_user SET password = password WHERE username = 'ada' AND $1 <> ''",
        "23514",
    ),
    (
        "CREATE FUNCTION quote() RETURNS trigger AS $$BEGIN RAISE EXCEPTION '%', old \
         USING ERRCODE = 'foreign_key_violation'; END$$ LANGUAGE plpgsql; \
         CREATE TRIGGER quotes BEFORE DELETE OR UPDATE ON django_session FOR EACH ROW \
         EXECUTE FUNCTION quote()",
        "DROP TRIGGER quotes ON django_session",
        "DELETE FROM django_session WHERE session_key = $1",
        "23503",
    ),
    (
        "CREATE FUNCTION misread() RETURNS trigger AS $$BEGIN \
         PERFORM old.session_data::integer; RETURN NULL; END$$ LANGUAGE plpgsql; \
         CREATE TRIGGER misreads BEFORE DELETE OR UPDATE ON django_session FOR EACH ROW \
         EXECUTE FUNCTION misread()",
        "DROP TRIGGER misreads ON django_session",
        "DELETE FROM django_session WHERE session_key = $1",
        "22P02",
    ),
];

#[testbed::test]
async fn no_error_or_log_line_has_a_row_that_the_database_refuses() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let log = Log::default();
    log.listen();
    let hashers = |iterations| [PasswordHasher::Pbkdf2Sha256 { iterations }];
    let upgrading =
        bed.site_with(settings().with(|s| s.password_hashers = Some(hashers(2).into())));
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let encoded = bed.site_with(settings().with(|s| s.password_hashers = Some(hashers(1).into())));
    let encoded = encoded.make_password("hush").await.unwrap();
    let user = json!({ "cmd": "set_user", "username": "ada", "password_column": encoded });
    bed.ask(user).await;
    let key = bed.session(&format!(r#"{{"x":"{VALUE}"}}"#)).await;
    let expired = bed.session("{}").await;
    let session = SessionKey::new(&*key).unwrap();
    let stored = site.load(&session).await.unwrap().session_data().to_owned();
    let hash = encoded.rsplit('$').next().unwrap();
    let row =
        json!({ "cmd": "put_row", "key": expired, "session_data": &stored, "expire_date": 0 });
    bed.ask(row).await;
    // PostgreSQL shortens long values.
    let secrets = [&*key, &expired, &stored[..40], &hash[..12]];

    let client = bed.pool().get().await.unwrap();
    for (obstacle, cleared, own, code) in OBSTACLES {
        client.batch_execute(obstacle).await.unwrap();
        log.clear();
        // Each site logs once a minute that its database is not available.
        let site = bed.site_with(settings().with(|s| s.write_sessions = true));
        let middleware = DjangoSessionMiddleware::optional(site.clone());
        let app = TestApp::start(move || {
            App::new().wrap(middleware.clone()).route("/{change}", web::get().to(change))
        })
        .with_log();
        let mut shown = Vec::new();
        let mut failed = Vec::new();
        let of_sessions = own.contains("django_session");
        if own.starts_with("DELETE") {
            failed.push(site.delete(&session).await.unwrap_err());
            failed.push(site.clear_expired().await.unwrap_err());
            assert_eq!(app.get("/flush", &key).await.status, 503);
        }
        if of_sessions {
            assert_eq!(app.get("/cycle", &key).await.status, 503);
        } else {
            failed.push(upgrading.authenticate("ada", "hush").await.unwrap_err());
        }
        // Queries of the application itself.
        let refused = async || client.execute(own, &[&key]).await.unwrap_err();
        let raw = format!("{:?}", refused().await);
        assert!(
            secrets.iter().any(|secret| raw.contains(secret)),
            "the raw error has no secret: {raw}"
        );
        let in_pool = PoolError::Backend(refused().await);
        let in_hook = PoolError::PostCreateHook(HookError::Backend(refused().await));
        let own: [Unavailable; 3] = [refused().await.into(), in_pool.into(), in_hook.into()];
        let [_, in_pool, in_hook] = &own;
        assert!(matches!(in_pool, Unavailable::Connection(_)), "{in_pool:?}");
        assert!(matches!(in_hook, Unavailable::Connection(_)), "{in_hook:?}");
        failed.extend(own.map(Error::from));
        shown.extend(failed.iter().map(all_of));
        let in_cache = Error::from(Unavailable::Cache(refused().await.into()));
        shown.push(format!("{in_cache} {in_cache:?} {}", in_cache.chain()));

        let lines: Vec<_> = [log.lines(), app.log().lines()].concat();
        let ours = lines.iter().filter(|line| line.target.starts_with("actix_django_session"));
        let ours: Vec<_> = ours.map(|line| &line.text).collect();
        assert!(!of_sessions || ours.iter().any(|text| text.contains(code)), "{code}: {ours:#?}");
        for text in ours.into_iter().chain(&shown) {
            for secret in secrets {
                assert!(!text.contains(secret), "{secret} is in {text}");
            }
        }
        assert!(shown.iter().filter(|text| text.contains(code)).count() > 3, "{code}: {shown:#?}");
        client.batch_execute(cleared).await.unwrap();
    }
    // Without the obstacles the writes succeed.
    assert!(site.delete(&session).await.unwrap());
    assert_eq!(site.clear_expired().await.unwrap(), 1);
}

/// `Display` and `Debug` of an error and of all its sources.
fn all_of(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {}", error.chain());
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    text
}
