//! A page whose script sends and gets JSON.

use actix_django_session::test;
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body_json},
};
use serde_json::{Value, json};
use testbed::{Browser, Example};

use crate::handlers::{answers::header, bed::bed, examples::single_page_app::routes};

/// The script reads the CSRF cookie, so the page must set it.
#[actix_web::test]
async fn the_page_sets_the_csrf_cookie() {
    let app = init_service(App::new().configure(routes(test::site().build()))).await;
    let answer = call_service(&app, TestRequest::get().uri("/").to_request()).await;
    assert_eq!(answer.status(), 200);
    let cookie = header(&answer, "set-cookie");
    assert!(cookie.starts_with("csrftoken=") && !cookie.contains("HttpOnly"), "{cookie}");
}

/// The script may save with the token of its cookie.
#[actix_web::test]
async fn a_note_is_saved_with_the_token() {
    let app = init_service(App::new().configure(routes(test::site().build()))).await;
    let answer = call_service(&app, TestRequest::get().uri("/api/csrf").to_request()).await;
    let cookie = header(&answer, "set-cookie").split(';').next().unwrap();
    let cookie = cookie.to_owned();
    let outcome: Value = read_body_json(answer).await;
    let save = TestRequest::put()
        .uri("/api/note")
        .insert_header(("Cookie", cookie))
        .insert_header(("X-CSRFToken", outcome["csrf_token"].as_str().unwrap()))
        .set_json(json!({ "text": "tea" }));
    let answer = call_service(&app, save.to_request()).await;
    assert_eq!(answer.status(), 200);
    let saved: Value = read_body_json(answer).await;
    assert_eq!(saved, json!({ "saved": { "text": "tea" } }));
}

#[actix_web::test]
async fn a_note_from_another_site_is_refused_in_json() {
    let app = init_service(App::new().configure(routes(test::site().build()))).await;
    let forged = TestRequest::put().uri("/api/note").set_json(json!({})).to_request();
    let answer = call_service(&app, forged).await;
    assert_eq!(answer.status(), 403);
    let body: Value = read_body_json(answer).await;
    assert_eq!(body, json!({ "detail": "CSRF Failed: CSRF cookie not set." }));
}

/// Does what the script of the page does, and what an application on a development port does.
#[actix_web::test]
async fn the_example_runs() {
    let example = Example::run("single_page_app", bed().await.database_url(), &[]).unwrap();
    let page = format!("{}/", example.url());
    let browser = Browser::new();
    let script = browser.get(&page).await.unwrap().text().await.unwrap();
    assert!(script.contains(r#"fetch("/api/note""#), "{script}");
    let cookies = browser.cookies(&page).unwrap();
    let token = cookies.strip_prefix("csrftoken=").unwrap();
    for (origin, status) in [
        (example.url(), 200),
        ("http://localhost:5173", 200),
        ("http://localhost:5174", 403),
        ("http://evil.example", 403),
    ] {
        let save = browser.client().put(format!("{page}api/note")).header("Origin", origin);
        let save = save.header("X-CSRFToken", token).header("Content-Type", "application/json");
        let answer = save.body(r#"{"text":"a note"}"#).send().await.unwrap();
        assert_eq!(answer.status(), status, "{origin}");
        let saved = answer.text().await.unwrap() == r#"{"saved":{"text":"a note"}}"#;
        assert_eq!(saved, status == 200, "{origin}");
    }
}
