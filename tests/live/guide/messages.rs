use actix_django_session::{DjangoSessionMiddleware, test};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
    web,
};

use crate::handlers::{
    answers::{header, text},
    bed::site,
};

chapter::code!("messages", "async fn save");

#[actix_web::test]
async fn the_next_page_shows_what_a_handler_has_left() {
    let middleware = DjangoSessionMiddleware::optional(site().await);
    let profile = web::resource("/profile/").wrap(middleware).get(profile).post(save);
    let app = init_service(App::new().service(profile)).await;
    let request = TestRequest::post().uri("/profile/").to_request();
    test::csrf(&request);
    let saved = call_service(&app, request).await;
    assert_eq!((saved.status().as_u16(), header(&saved, "location")), (303, "/profile/"));
    let cookies = saved.headers().get_all("set-cookie").map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.filter_map(|cookie| cookie.split(';').next());
    let cookie = cookie.filter(|cookie| cookie.starts_with("messages=")).last().unwrap();
    // As a browser sends it: not decoded, not encoded.
    let page = TestRequest::get().uri("/profile/").insert_header(("Cookie", cookie)).to_request();
    let page = call_service(&app, page).await;
    assert!(header(&page, "set-cookie").starts_with("messages=\"\"; "), "it is shown once");
    assert_eq!(text(page).await, "<li class=\"success\">Your profile is saved.</li>");
}
