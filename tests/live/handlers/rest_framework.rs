//! An API with the answers of the Django REST framework.

use actix_django_session::test::{self, TestUser};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body_json},
};
use serde_json::{Value, json};

use crate::handlers::examples::rest_framework::routes;

/// What somebody is answered, who may be nobody, with a CSRF token or without.
async fn answer(request: TestRequest, user: Option<TestUser>, csrf: bool) -> (u16, Value) {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let request = request.to_request();
    if let Some(user) = user {
        test::user(&request, user);
    }
    if csrf {
        test::csrf(&request);
    }
    let answer = call_service(&app, request).await;
    (answer.status().as_u16(), read_body_json(answer).await)
}

fn detail(text: &str) -> (u16, Value) {
    (403, json!({ "detail": text }))
}

#[actix_web::test]
async fn items_are_for_users() {
    let ada = || Some(TestUser::new(1, "ada"));
    let get = || TestRequest::get().uri("/items");
    let post = || TestRequest::post().uri("/items");
    let (yes, no) = (true, false);
    assert_eq!(answer(get(), ada(), no).await, (200, json!({ "user": "ada" })));
    assert_eq!(answer(post(), ada(), yes).await, (200, json!({ "user": "ada" })));
    let forged = detail("CSRF Failed: CSRF cookie not set.");
    assert_eq!(answer(post(), ada(), no).await, forged);
    // Strangers are not checked for CSRF: they are turned away as they are.
    let stranger = detail("Authentication credentials were not provided.");
    assert_eq!(answer(get(), None, no).await, stranger);
    assert_eq!(answer(post(), None, no).await, stranger);
}

#[actix_web::test]
async fn staff_is_another_matter() {
    let get = || TestRequest::get().uri("/staff");
    let ada = Some(TestUser::new(1, "ada"));
    let refused = detail("You do not have permission to perform this action.");
    assert_eq!(answer(get(), ada, false).await, refused);
    let bob = Some(TestUser::new(2, "bob").staff());
    assert_eq!(answer(get(), bob, false).await, (200, json!({ "user": "bob" })));
}

/// A test's user stands for a client of whatever class, and is checked for CSRF where a session is one.
#[actix_web::test]
async fn a_client_is_told_by_which_class_it_came() {
    let get = || TestRequest::get().uri("/whoami");
    let ada = Some(TestUser::new(1, "ada"));
    let told = json!({ "user": "ada", "by": "session", "app": null });
    assert_eq!(answer(get(), ada.clone(), false).await, (200, told));
    let delete = TestRequest::delete().uri("/whoami");
    let told = json!({ "detail": "Method \"DELETE\" not allowed." });
    assert_eq!(answer(delete, ada, true).await, (405, told));
}

/// Here the middleware knows best.
#[actix_web::test]
async fn without_a_database_it_is_a_503() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let request = TestRequest::get().uri("/items").insert_header(("Cookie", "sessionid=some-key"));
    assert_eq!(call_service(&app, request.to_request()).await.status(), 503);
}
