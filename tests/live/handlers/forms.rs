//! A page with a form.

use actix_django_session::test;
use actix_web::{
    App,
    test::{TestRequest, call_and_read_body, call_service, init_service},
};
use testbed::{Browser, Example};

use crate::handlers::{
    answers::{header, text},
    bed::bed,
    examples::forms::routes,
};

#[actix_web::test]
async fn a_saved_note_is_shown_as_text() {
    let site = test::site().build();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let note = TestRequest::post().uri("/").set_form([("text", "<b>tea & milk")]);
    let answer = test::Client::new(&site).send(&app, note).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(header(&answer, "location"), "/");

    let page = call_and_read_body(&app, TestRequest::get().uri("/").to_request()).await;
    let page = String::from_utf8(page.to_vec()).unwrap();
    assert!(page.contains("<li>&lt;b>tea &amp; milk</li>"), "{page}");
}

/// A request without a token is one that another site could make a browser send.
#[actix_web::test]
async fn a_form_from_another_site_is_refused_with_a_page() {
    let app = init_service(App::new().configure(routes(test::site().build()))).await;
    let forged = TestRequest::post().uri("/").set_form([("text", "poison")]).to_request();
    let answer = call_service(&app, forged).await;
    assert_eq!(answer.status(), 403);
    let page = text(answer).await;
    assert!(page.contains("open the page</a> again"), "{page}");
    let page = call_and_read_body(&app, TestRequest::get().uri("/").to_request()).await;
    assert!(!String::from_utf8(page.to_vec()).unwrap().contains("poison"));
}

/// Does what a browser does: sends the token of the page, and the cookie that came with the page.
#[actix_web::test]
async fn the_example_runs() {
    let example = Example::run("forms", bed().await.database_url(), &[]).unwrap();
    let page = format!("{}/", example.url());
    let browser = Browser::new();
    let answer = browser.submit(&page, &[("text", "tea")]).await.unwrap();
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], "/");
    let notes = async || browser.get(&page).await.unwrap().text().await.unwrap();
    assert!(notes().await.contains("<li>tea</li>"));

    let forged = browser.client().post(&page).header("Origin", "http://evil.example");
    let forged = forged.header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(forged.body("text=poison").send().await.unwrap().status(), 403);
    assert!(!notes().await.contains("poison"));
}
