//! An API with errors of its own.

use actix_django_session::{
    DjangoSettings, DjangoSite,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body_json},
};
use serde_json::{Value, json};
use testbed::{Browser, Example};

use crate::{
    beds::pool,
    handlers::{answers::header, bed::bed, examples::error_handler::routes},
};

fn site() -> DjangoSite {
    test::site().user(TestUser::new(1, "ada")).build()
}

#[actix_web::test]
async fn a_user_gets_the_items() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let ada = Client::logged_in(&site, "ada").await;
    let answer = ada.send(&app, TestRequest::get().uri("/api/items")).await;
    let items: Value = read_body_json(answer).await;
    assert_eq!(items, json!({ "items_of": "ada" }));
}

#[actix_web::test]
async fn an_anonymous_visitor_gets_an_error_in_json() {
    let app = init_service(App::new().configure(routes(site()))).await;
    let answer = call_service(&app, TestRequest::get().uri("/api/items").to_request()).await;
    assert_eq!(answer.status(), 401);
    let body: Value = read_body_json(answer).await;
    assert_eq!(body, json!({ "code": "not_logged_in", "message": "Please log in." }));
}

#[actix_web::test]
async fn without_a_database_clients_are_asked_to_retry() {
    let nowhere = pool("postgres://127.0.0.1:1/none");
    let site = DjangoSite::new(nowhere, DjangoSettings::new("k")).unwrap();
    let app = init_service(App::new().configure(routes(site))).await;
    let request = TestRequest::get().uri("/api/items");
    let request = request.insert_header(("Cookie", "sessionid=some-key")).to_request();
    let answer = call_service(&app, request).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(header(&answer, "retry-after"), "1");
    let body: Value = read_body_json(answer).await;
    assert_eq!(body["code"], "unavailable");
}

#[actix_web::test]
async fn a_request_from_another_site_is_refused_in_json() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let ada = Client::logged_in(&site, "ada").await.enforce_csrf_checks();
    let answer = ada.send(&app, TestRequest::post().uri("/api/items")).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(read_body_json::<Value, _>(answer).await["code"], "csrf");
}

#[actix_web::test]
async fn the_example_runs() {
    let bed = bed().await;
    let example = Example::run("error_handler", bed.database_url(), &[]).unwrap();
    let get = Browser::new().client().get(format!("{}/api/items", example.url()));
    let anonymous = get.try_clone().unwrap().send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    assert_eq!(anonymous.headers()["vary"], "Cookie");
    let key = bed.oracle().await.unwrap().login("ada").await.unwrap();
    let ada = get.header("Cookie", format!("sessionid={key}")).send().await.unwrap();
    assert_eq!(ada.text().await.unwrap(), r#"{"items_of":"ada"}"#);
}
