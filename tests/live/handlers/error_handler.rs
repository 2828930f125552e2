//! An API with errors of its own.

use actix_django_session::test::{self, TestUser};
use actix_web::{
    App,
    test::{TestRequest, call_and_read_body_json, call_service, init_service, read_body_json},
};
use serde_json::{Value, json};
use testbed::{Browser, Example};

use crate::handlers::{answers::header, bed::bed, examples::error_handler::routes};

#[actix_web::test]
async fn a_user_gets_the_items() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let request = TestRequest::get().uri("/api/items").to_request();
    test::user(&request, TestUser::new(1, "ada"));
    let items: Value = call_and_read_body_json(&app, request).await;
    assert_eq!(items, json!({ "items_of": "ada" }));
}

#[actix_web::test]
async fn a_stranger_is_told_in_json() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let answer = call_service(&app, TestRequest::get().uri("/api/items").to_request()).await;
    assert_eq!(answer.status(), 401);
    let body: Value = read_body_json(answer).await;
    assert_eq!(body, json!({ "code": "not_logged_in", "message": "Please log in." }));
}

/// The store of a test has no database: whoever comes with a cookie cannot be told from a stranger.
#[actix_web::test]
async fn without_a_database_clients_are_asked_to_come_again() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let request = TestRequest::get().uri("/api/items");
    let request = request.insert_header(("Cookie", "sessionid=some-key")).to_request();
    let answer = call_service(&app, request).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(header(&answer, "retry-after"), "1");
    let body: Value = read_body_json(answer).await;
    assert_eq!(body["code"], "unavailable");
}

#[actix_web::test]
async fn what_another_site_sends_is_refused_in_json() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let request = TestRequest::post().uri("/api/items").to_request();
    test::user(&request, TestUser::new(1, "ada"));
    let answer = call_service(&app, request).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(read_body_json::<Value, _>(answer).await["code"], "csrf");
}

#[actix_web::test]
async fn the_example_runs() {
    let bed = bed().await;
    let example = Example::run("error_handler", bed.database_url(), &[]).unwrap();
    let get = Browser::new().client().get(format!("{}/api/items", example.url()));
    let stranger = get.try_clone().unwrap().send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    assert_eq!(stranger.headers()["vary"], "Cookie");
    let key = bed.judge().await.unwrap().login("ada").await.unwrap();
    let ada = get.header("Cookie", format!("sessionid={key}")).send().await.unwrap();
    assert_eq!(ada.text().await.unwrap(), r#"{"items_of":"ada"}"#);
}
