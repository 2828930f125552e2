//! What each middleware promises in its documentation, sentence by sentence.

use actix_django_session::DjangoSessionMiddleware;
use actix_web::web;
use serde_json::json;
use testbed::With;

use crate::{
    app::TestApp,
    beds::{Bed, settings},
    probe::page,
};

#[testbed::test]
async fn each_middleware_admits_only_what_its_documentation_says() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x" })).await;
    let ada = bed.login("ada").await;
    let row = async |key: &str, data: &str, end: &str| {
        bed.sql(&format!(
            "INSERT INTO django_session VALUES ('{key}', {data}, now() + interval '{end}') RETURNING 1"
        ))
        .await;
        key.to_owned()
    };
    let of_ada = format!("(SELECT session_data FROM django_session WHERE session_key = '{ada}')");
    let unsigned = row("unsigned-data", "'eyJhIjoxfQ:1r31eq:not-a-signature'", "1 day").await;
    let expired = row("expired-session", &of_ada, "-1 second").await;
    let copied = row("copied-session", &of_ada, "1 day").await;
    let cart = bed.session("{\"cart\":1}").await;
    bed.user("gone", json!({ "password": "x" })).await;
    let gone = bed.login("gone").await;
    bed.ask(json!({ "cmd": "delete_user", "username": "gone" })).await;
    bed.user("idle", json!({ "password": "x" })).await;
    let idle = bed.login("idle").await;
    bed.user("idle", json!({ "is_active": false })).await;
    bed.user("stale", json!({ "password": "x" })).await;
    let stale = bed.login("stale").await;
    bed.user("stale", json!({ "password": "changed" })).await;

    let serve = |backends: &[&str]| {
        let backends = backends.iter().map(|&path| path.into()).collect();
        let site = bed.site_with(settings().with(|s| s.authentication_backends = backends));
        TestApp::with_routes(move |config| {
            let optional = DjangoSessionMiddleware::optional(site.clone());
            let required = DjangoSessionMiddleware::required(site.clone());
            let login_required = DjangoSessionMiddleware::login_required(site.clone());
            config
                .service(web::resource("/optional").wrap(optional).to(page))
                .service(web::resource("/required").wrap(required).to(page))
                .service(web::resource("/login_required").wrap(login_required).to(page));
        })
    };
    let app = serve(&["django.contrib.auth.backends.ModelBackend"]);
    let all = [&ada, &copied, &unsigned, &expired, &cart, &gone, &idle, &stale];

    // `optional` admits all visitors.
    for key in all {
        assert_eq!(app.get("/optional", key).await.status, 200, "{key}");
    }
    assert_eq!(app.get("/optional", "no-such-session").await.status, 200);

    // `required` admits only visitors with a live session row.
    for key in [&expired, "no-such-session", "short", ""] {
        assert_eq!(app.get("/required", key).await.status, 302, "{key}");
    }
    // It does not read the session data, nor check its signature.
    for key in [&ada, &copied, &unsigned, &cart, &gone, &idle, &stale] {
        assert_eq!(app.get("/required", key).await.status, 200, "{key}");
    }

    // `login_required` admits only visitors who are logged in for Django; it checks the signature too.
    for key in [&unsigned, &expired, &cart, &gone, &idle, &stale] {
        assert_eq!(app.get("/login_required", key).await.status, 302, "{key}");
        assert!(bed.verdict(key).await["user"].is_null(), "{key}");
    }
    for key in [&ada, &copied] {
        assert_eq!(app.get("/login_required", key).await.status, 200, "{key}");
    }
    // It refuses a login by a backend that is not listed.
    let other = serve(&["django.contrib.auth.backends.RemoteUserBackend"]);
    assert_eq!(other.get("/login_required", &ada).await.status, 302);
    assert_eq!(other.get("/required", &ada).await.status, 200);
}
