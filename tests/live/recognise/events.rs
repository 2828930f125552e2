//! The events that can be counted, and their labels.

use std::sync::{Arc, Mutex};

use actix_django_session::{DjangoSessionMiddleware, Event};
use actix_web::{
    App,
    cookie::Cookie,
    test::{TestRequest, call_service, init_service},
    web,
};

use crate::beds::Bed;

const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

#[testbed::test]
async fn events_name_the_outcome_the_middleware_and_the_backend() {
    let bed = Bed::shared().await;
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&heard);
    let site = bed.site().on_event(move |event: Event<'_>| {
        let labels =
            [event.reason(), event.middleware(), event.backend()].map(Option::unwrap_or_default);
        sink.lock().unwrap().push(format!("{}|{}", event.name(), labels.join("|")));
    });
    let app = init_service(
        App::new()
            .service(
                web::resource("/api")
                    .wrap(DjangoSessionMiddleware::login_required(site.clone()).name("api"))
                    .to(async || "in"),
            )
            .service(
                web::resource("/staff")
                    .wrap(DjangoSessionMiddleware::required(site).staff_required())
                    .to(async || "in"),
            ),
    )
    .await;
    let key = bed.login("ada").await;
    let request = |path: &str, cookie: Option<&str>| {
        let request = TestRequest::get().uri(path);
        let cookie = cookie.map(|key| Cookie::new("sessionid", key.to_owned()));
        cookie.into_iter().fold(request, TestRequest::cookie).to_request()
    };
    let heard = || std::mem::take(&mut *heard.lock().unwrap());

    assert_eq!(call_service(&app, request("/api", None)).await.status(), 302);
    assert_eq!(heard(), ["rejected|no_session_key|api|"]);
    assert_eq!(call_service(&app, request("/api", Some("no-such-session"))).await.status(), 302);
    assert_eq!(heard(), ["session_lookup|||", "rejected|session_not_found|api|"]);
    assert_eq!(call_service(&app, request("/api", Some(&key))).await.status(), 200);
    assert_eq!(
        heard(),
        [
            "session_lookup|||".to_owned(),
            "session_found|||".to_owned(),
            "user_lookup|||".to_owned(),
            format!("user_found|||{MODEL_BACKEND}"),
        ]
    );
    assert_eq!(call_service(&app, request("/staff", Some(&key))).await.status(), 403);
    assert_eq!(
        heard().last().map(String::as_str),
        Some("rejected|permission_denied|login_required|")
    );
}
