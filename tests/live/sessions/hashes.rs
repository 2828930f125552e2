//! Old and wrong session auth hashes: what a lookup of the user does to the session.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, test::create_session,
};
use actix_web::{
    App,
    http::header::SET_COOKIE,
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::{
    beds::Bed,
    sessions::operations::{Outcome, django, operate},
};

fn settings() -> DjangoSettings {
    DjangoSettings::new("new").with(|s| {
        s.secret_key_fallbacks = vec!["old".into()];
        s.write_sessions = true;
    })
}

async fn bed(version: Django) -> Bed {
    Bed::start(version, Settings::default().secret_key("new").secret_key_fallbacks(["old"])).await
}

/// What the response tells the browser, and which of these session keys have a row.
async fn result_of(bed: &Bed, cookie: &str, outcome: Outcome) -> (Value, u64, &'static str, bool) {
    let answered = match outcome.set_cookie.first() {
        None => "nothing",
        Some(text) if text.contains("Max-Age=0") => "deleted",
        Some(text) if text.starts_with(cookie) => "set",
        Some(_) => "another",
    };
    (outcome.results, outcome.status, answered, has_row(bed, cookie).await)
}

async fn has_row(bed: &Bed, cookie: &str) -> bool {
    let key = cookie.strip_prefix("sessionid=").unwrap();
    !bed.ask(json!({ "cmd": "read_row", "key": key })).await.is_null()
}

#[testbed::test]
async fn a_hash_of_a_fallback_key_is_replaced_as_in_django() {
    for version in Django::available().unwrap() {
        let bed = bed(version).await;
        let site = bed.site_with(settings());
        let of_old = bed.site_with(DjangoSettings::new("old"));
        let user = json!([["user"]]);
        let (here, there) =
            (create_session(&of_old, "ada").await, create_session(&of_old, "ada").await);
        let ours = operate(&site, Some(&here), &user, 200).await;
        let theirs = django(&bed, Some(&there), &user, 200).await;
        let new = ours.set_cookie[0].split(';').next().unwrap().to_owned();
        let ours = result_of(&bed, &here, ours).await;
        assert_eq!(ours, result_of(&bed, &there, theirs).await, "{version}");
        assert_eq!(ours, (json!(["ada"]), 200, "another", false), "{version}");
        // Under the new key the hash is current: another lookup changes nothing.
        for seen in [
            operate(&site, Some(&new), &user, 200).await,
            django(&bed, Some(&new), &user, 200).await,
        ] {
            assert_eq!(result_of(&bed, &new, seen).await, (json!(["ada"]), 200, "nothing", true));
        }
    }
}

#[testbed::test]
async fn a_wrong_hash_ends_the_session_as_in_django() {
    let wrong = r#"{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"0","cart":1}"#;
    for version in Django::available().unwrap() {
        let bed = bed(version).await;
        let site = bed.site_with(settings());
        for (ops, expected) in [
            (json!([["user"]]), (json!([null]), 200, "deleted", false)),
            (json!([["user"], ["get", "cart"]]), (json!([null, null]), 200, "deleted", false)),
            (json!([["user"], ["insert", "a", 1]]), (json!([null, null]), 200, "another", false)),
        ] {
            let cookie = format!("sessionid={}", bed.session(wrong).await);
            let ours = operate(&site, Some(&cookie), &ops, 200).await;
            assert_eq!(result_of(&bed, &cookie, ours).await, expected, "{version}: {ops}");
            let cookie = format!("sessionid={}", bed.session(wrong).await);
            let theirs = django(&bed, Some(&cookie), &ops, 200).await;
            assert_eq!(result_of(&bed, &cookie, theirs).await, expected, "{version}: {ops}");
        }
    }
}

#[testbed::test]
async fn a_middleware_updates_the_hash_only_if_it_may_write() {
    let bed = bed(Django::default()).await;
    let of_old = bed.site_with(DjangoSettings::new("old"));
    let wrong = r#"{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"0"}"#;
    for (site, status, old_hash, wrong_hash) in [
        (bed.site_with(settings()), 200, ("another", false), ("deleted", false)),
        // A failed request saves nothing, but a session with a wrong hash is deleted.
        (bed.site_with(settings()), 500, ("nothing", true), ("deleted", false)),
        (
            bed.site_with(settings().with(|s| s.write_sessions = false)),
            200,
            ("nothing", true),
            ("nothing", true),
        ),
    ] {
        let cookie = create_session(&of_old, "ada").await;
        let actual = visit(&site, &cookie, status).await;
        assert_eq!(actual.status, u64::from(status));
        let (_, _, answered, kept) = result_of(&bed, &cookie, actual).await;
        assert_eq!((answered, kept), old_hash);

        let cookie = format!("sessionid={}", bed.session(wrong).await);
        let actual = visit(&site, &cookie, status).await;
        assert_eq!(actual.status, 302, "to log in");
        let (_, _, answered, kept) = result_of(&bed, &cookie, actual).await;
        assert_eq!((answered, kept), if status == 500 { ("deleted", false) } else { wrong_hash });
    }
}

/// Sends a request to a `login_required` middleware before a handler that answers with this status.
async fn visit(site: &DjangoSite, cookie: &str, status: u16) -> Outcome {
    let middleware = DjangoSessionMiddleware::login_required(site.clone());
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    let handler =
        move |_: DjangoUser| async move { actix_web::HttpResponse::build(status).finish() };
    let app = init_service(App::new().wrap(middleware).route("/", web::get().to(handler))).await;
    let request = TestRequest::get().insert_header(("Cookie", cookie));
    let response = call_service(&app, request.to_request()).await;
    let set_cookie = response.headers().get_all(SET_COOKIE);
    let set_cookie = set_cookie.map(|text| text.to_str().unwrap().to_owned()).collect();
    Outcome { status: response.status().as_u16().into(), set_cookie, results: Value::Null }
}
