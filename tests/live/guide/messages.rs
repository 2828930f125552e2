use actix_django_session::{DjangoSessionMiddleware, test::Client};
use actix_web::{
    App,
    test::{TestRequest, init_service},
    web,
};

use crate::handlers::{
    answers::{header, text},
    bed::site,
};

chapter::code!("messages", "async fn save");

#[testbed::test]
async fn the_next_page_shows_the_messages_of_a_handler() {
    let site = site().await;
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let profile = web::resource("/profile/").wrap(middleware).get(profile).post(save);
    let app = init_service(App::new().service(profile)).await;
    let client = Client::new(&site);
    let saved = client.send(&app, TestRequest::post().uri("/profile/")).await;
    assert_eq!((saved.status().as_u16(), header(&saved, "location")), (303, "/profile/"));
    let page = client.send(&app, TestRequest::get().uri("/profile/")).await;
    assert!(header(&page, "set-cookie").starts_with("messages=\"\"; "), "it is shown once");
    assert_eq!(text(page).await, "<li class=\"success\">Your profile is saved.</li>");
}
