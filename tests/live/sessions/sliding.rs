//! `SESSION_SAVE_EVERY_REQUEST`: sessions stay live as long as their visitors send requests.

use std::time::{Duration, SystemTime};

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSettings, DjangoSite, SessionKey,
};
use actix_web::{
    App, HttpResponse,
    http::header::SET_COOKIE,
    test::{call_service, init_service},
    web,
};
use serde_json::json;
use testbed::{Django, Settings, With};

use crate::{
    beds::{Bed, settings},
    sessions::operations::{django, operate},
};

fn sliding() -> DjangoSettings {
    settings().with(|s| {
        s.write_sessions = true;
        s.session_save_every_request = true;
    })
}

/// Requests a page behind a middleware; returns the number of its cookies.
async fn page(site: &DjangoSite, key: &str, status: u16) -> usize {
    let middleware = DjangoSessionMiddleware::required(site.clone());
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    let app = App::new().wrap(middleware).route(
        "/",
        web::get().to(move |_: DjangoSession| async move { HttpResponse::build(status).finish() }),
    );
    let app = init_service(app).await;
    let request = actix_web::test::TestRequest::get()
        .insert_header(("Cookie", format!("sessionid={key}")))
        .to_request();
    let response = call_service(&app, request).await;
    assert_eq!(response.status(), status);
    response.headers().get_all(SET_COOKIE).count()
}

/// Creates a row with this JSON that expires in `seconds`; returns its session key.
async fn row(bed: &Bed, json: &str, seconds: i64) -> String {
    let key = bed.session(json).await;
    let statement = format!(
        "UPDATE django_session SET expire_date = now() + interval '{seconds} seconds' \
         WHERE session_key = '{key}'"
    );
    bed.sql(&statement).await;
    key
}

/// The time until a row expires.
async fn time_to_expiry(site: &DjangoSite, key: &str) -> Duration {
    let key = SessionKey::new(key).unwrap();
    let session = site.load_at(&key, SystemTime::UNIX_EPOCH).await.unwrap();
    session.expire_date().duration_since(SystemTime::now()).unwrap_or_default()
}

#[testbed::test]
async fn a_session_slides_as_in_django() {
    let every_request = Settings::default().set("SESSION_SAVE_EVERY_REQUEST", true);
    for version in Django::available().unwrap() {
        let bed = Bed::start(version, every_request.clone()).await;
        let site = bed.site_with(sliding());
        let two_weeks = Duration::from_secs(14 * 86_400);
        for (json, seconds, expected) in [
            (r#"{"a":1}"#, 30, two_weeks),
            (r#"{"a":1,"_session_expiry":3600}"#, 30, Duration::from_secs(3600)),
            (r#"{"a":1,"_session_expiry":3600}"#, 86_400, Duration::from_secs(3600)),
            (r#"{"a":1,"_session_expiry":0}"#, 30, two_weeks),
        ] {
            let of_rust = row(&bed, json, seconds).await;
            let of_django = row(&bed, json, seconds).await;
            let cookie = |key: &str| format!("sessionid={key}");
            let ours = operate(&site, Some(&cookie(&of_rust)), &json!([["get", "a"]]), 200).await;
            let theirs = django(&bed, Some(&cookie(&of_django)), &json!([["get", "a"]]), 200).await;
            let sent = |outcome: &crate::sessions::operations::Outcome| {
                let parts = outcome.set_cookie[0].split("; ");
                let parts = parts.filter(|part| !part.starts_with("expires="));
                parts.skip(1).map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(sent(&ours), sent(&theirs), "{version}: {json}");
            for key in [of_rust, of_django] {
                let lives = time_to_expiry(&site, &key).await;
                assert!(
                    lives <= expected && lives + Duration::from_secs(60) > expected,
                    "{lives:?}"
                );
            }
        }
    }
}

#[testbed::test]
async fn a_session_slides_only_if_settings_and_response_permit_it() {
    let bed = Bed::shared().await;
    let site = bed.site_with(sliding());
    for (json, site, status, cookies) in [
        // A failed request saves nothing.
        (r#"{"a":1}"#, &site, 500, 0),
        (r#"{"a":1}"#, &bed.site_with(settings().with(|s| s.write_sessions = true)), 200, 0),
        (
            r#"{"a":1}"#,
            &bed.site_with(settings().with(|s| s.session_save_every_request = true)),
            200,
            0,
        ),
        // The row was extended a short time ago, so only the cookie is renewed.
        (
            r#"{"a":1}"#,
            &bed.site_with(
                sliding()
                    .with(|s| s.session_save_interval = Some(Duration::from_secs(15 * 86_400))),
            ),
            200,
            1,
        ),
    ] {
        let key = row(bed, json, 1000).await;
        assert_eq!(page(site, &key, status).await, cookies, "{json} {status}");
        let lives = time_to_expiry(site, &key).await;
        assert!(
            lives > Duration::from_secs(900) && lives <= Duration::from_secs(1000),
            "{lives:?}"
        );
    }
}

/// The `expire_date` of a row, with microseconds.
async fn end(bed: &Bed, key: &str) -> String {
    let row = bed.ask(json!({ "cmd": "get_row", "key": key })).await;
    row["row"]["expire_date"].as_str().unwrap().to_owned()
}

#[testbed::test]
async fn a_session_of_a_few_seconds_slides_and_with_zero_at_each_request() {
    let bed = Bed::shared().await;
    for site in [
        // The row was extended 800 ms ago, which is long for a session of 40 seconds.
        bed.site_with(sliding().with(|s| s.session_cookie_age = 40)),
        bed.site_with(sliding().with(|s| {
            s.session_cookie_age = 40;
            s.session_save_interval = Some(Duration::ZERO);
        })),
        bed.site_with(sliding().with(|s| s.session_save_interval = Some(Duration::ZERO))),
    ] {
        let key = row(bed, r#"{"a":1}"#, 1000).await;
        assert_eq!(page(&site, &key, 200).await, 1);
        let age = time_to_expiry(&site, &key).await;
        let rest = format!("interval '{} milliseconds'", age.as_millis().saturating_sub(800));
        let moved = format!(
            "UPDATE django_session SET expire_date = now() + {rest} WHERE session_key = '{key}'"
        );
        bed.sql(&moved).await;
        let before = end(bed, &key).await;
        assert_eq!(page(&site, &key, 200).await, 1);
        assert_ne!(end(bed, &key).await, before);
    }
}

#[testbed::test]
async fn a_fixed_expiry_date_stays_and_the_cookie_has_the_remaining_seconds() {
    let bed = Bed::shared().await;
    let site = bed.site_with(sliding());
    let date = "2099-01-01T00:00:00+00:00";
    let json = format!(r#"{{"_session_expiry":"{date}"}}"#);
    // The session's own date is used even if the row has another one, as in Django.
    for seconds in ["'2099-01-01Z'", "now() + interval '1h'"] {
        let key = bed.session(&json).await;
        let end = "UPDATE django_session SET expire_date = END WHERE session_key = 'KEY'";
        bed.sql(&end.replace("END", seconds).replace("KEY", &key)).await;
        let cookie = format!("sessionid={key}");
        let seen = operate(&site, Some(&cookie), &json!([["get", "a"]]), 200).await;
        let expires = "; expires=Wed, 31 Dec 2098 23:59:5";
        assert!(seen.set_cookie[0].contains(expires), "{seen:?}");
        let row = bed.ask(json!({ "cmd": "get_row", "key": key })).await;
        assert!(
            row["row"]["expire_date"].as_str().unwrap().starts_with("2099-01-01T00:00"),
            "{row}"
        );
    }
}

#[testbed::test]
async fn an_ended_session_is_not_restored_by_sliding() {
    let bed = Bed::shared().await;
    let site = bed.site_with(sliding());
    let key = row(bed, r#"{"a":1}"#, 1000).await;
    let middleware = DjangoSessionMiddleware::required(site.clone());
    // During the page the visitor logs out, or another client changes the `expire_date`.
    let app = App::new().wrap(middleware).route(
        "/{statement}",
        web::get().to(async |statement: web::Path<String>| {
            Bed::shared().await.sql(&statement).await;
            "a page"
        }),
    );
    let app = init_service(app).await;
    for (statement, lives_after, status) in [
        (
            "UPDATE django_session SET expire_date = now() - interval '1s' WHERE session_key = 'KEY'",
            0,
            200,
        ),
        // As in Django, if the view has read the session.
        ("DELETE FROM django_session WHERE session_key = 'KEY'", -1, 400),
    ] {
        bed.sql(&format!(
            "UPDATE django_session SET expire_date = now() + interval '1h' WHERE session_key = '{key}'"
        ))
        .await;
        let statement = statement.replace("KEY", &key).replace(' ', "%20");
        let request = actix_web::test::TestRequest::get()
            .uri(&format!("/{statement}"))
            .insert_header(("Cookie", format!("sessionid={key}")))
            .to_request();
        let response = call_service(&app, request).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().get_all(SET_COOKIE).count(), 0, "no cookie is sent");
        let row = bed.ask(json!({ "cmd": "get_row", "key": key })).await;
        assert_eq!(row["row"].is_null(), lives_after < 0, "{row}");
        if lives_after == 0 {
            assert!(time_to_expiry(&site, &key).await.is_zero());
        }
    }
}

#[testbed::test]
async fn a_slide_does_not_wait_for_disk_or_standby() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    // The setting in force at the commit of the transaction.
    for statement in [
        "CREATE TABLE seen (synchronous_commit text)",
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER see AFTER UPDATE ON django_session \
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION see()",
    ] {
        bed.sql(statement).await;
    }
    let key = bed.session(r#"{"a":1}"#).await;
    bed.sql("UPDATE django_session SET expire_date = now() + interval '1h'").await;
    assert_eq!(page(&bed.site_with(sliding()), &key, 200).await, 1);
    let ops = json!([["insert", "b", 1]]);
    let cookie = format!("sessionid={key}");
    operate(&bed.site_with(sliding()), Some(&cookie), &ops, 200).await;
    let seen = bed.sql("SELECT synchronous_commit FROM seen").await;
    assert_eq!(seen, json!([["on"], ["off"], ["on"]]));
}
