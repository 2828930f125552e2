//! An API with the answers of the Django REST framework.

use actix_django_session::{
    DjangoSettings, DjangoSite,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body_json},
};
use serde_json::{Value, json};

use crate::{beds::pool, handlers::examples::rest_framework::routes};

/// The response to a user or an anonymous client, with a CSRF token or without.
async fn answer(request: TestRequest, user: Option<&str>, csrf: bool) -> (u16, Value) {
    let site =
        test::site().user(TestUser::new(1, "ada")).user(TestUser::new(2, "bob").staff()).build();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = match user {
        Some(user) => Client::logged_in(&site, user).await,
        None => Client::new(&site),
    };
    let client = if csrf { client } else { client.enforce_csrf_checks() };
    let answer = client.send(&app, request).await;
    (answer.status().as_u16(), read_body_json(answer).await)
}

fn detail(text: &str) -> (u16, Value) {
    (403, json!({ "detail": text }))
}

#[actix_web::test]
async fn only_users_get_items() {
    let ada = || Some("ada");
    let get = || TestRequest::get().uri("/items");
    let post = || TestRequest::post().uri("/items");
    let (yes, no) = (true, false);
    assert_eq!(answer(get(), ada(), no).await, (200, json!({ "user": "ada" })));
    assert_eq!(answer(post(), ada(), yes).await, (200, json!({ "user": "ada" })));
    let forged = detail("CSRF Failed: CSRF cookie not set.");
    assert_eq!(answer(post(), ada(), no).await, forged);
    // An anonymous client is refused before the CSRF check.
    let refused = detail("Authentication credentials were not provided.");
    assert_eq!(answer(get(), None, no).await, refused);
    assert_eq!(answer(post(), None, no).await, refused);
}

#[actix_web::test]
async fn only_staff_gets_the_staff_page() {
    let get = || TestRequest::get().uri("/staff");
    let ada = Some("ada");
    let refused = detail("You do not have permission to perform this action.");
    assert_eq!(answer(get(), ada, false).await, refused);
    assert_eq!(answer(get(), Some("bob"), false).await, (200, json!({ "user": "bob" })));
}

#[actix_web::test]
async fn a_client_learns_which_class_authenticated_it() {
    let get = || TestRequest::get().uri("/whoami");
    let ada = Some("ada");
    let outcome = json!({ "user": "ada", "by": "session", "app": null });
    assert_eq!(answer(get(), ada, false).await, (200, outcome));
    let delete = TestRequest::delete().uri("/whoami");
    let outcome = json!({ "detail": "Method \"DELETE\" not allowed." });
    assert_eq!(answer(delete, ada, true).await, (405, outcome));
}

/// The middleware answers an outage itself.
#[actix_web::test]
async fn without_a_database_the_answer_is_a_503() {
    let nowhere = pool("postgres://127.0.0.1:1/none");
    let site = DjangoSite::new(nowhere, DjangoSettings::new("k")).unwrap();
    let app = init_service(App::new().configure(routes(site))).await;
    let request = TestRequest::get().uri("/items").insert_header(("Cookie", "sessionid=some-key"));
    assert_eq!(call_service(&app, request.to_request()).await.status(), 503);
}
