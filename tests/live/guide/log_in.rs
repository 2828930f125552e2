use actix_django_session::test::Client;
use actix_web::{
    App,
    http::Method,
    test::{TestRequest, call_service, init_service},
};

use super::by;
use crate::handlers::{
    answers::{header, text},
    bed::{bed, site},
};

chapter::code!("log_in", "async fn log_in");

#[testbed::test]
async fn a_visitor_logs_in_and_out() {
    let (bed, site) = (bed().await, site().await);
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let log_in = async |password: &str| {
        let fields = [("username", " ada"), ("password", password), ("next", "/cart/")];
        client.send(&app, TestRequest::post().uri("/login/").set_form(fields)).await
    };
    assert_eq!(text(log_in("wrong").await).await, "wrong name or password");
    let answer = log_in("lovelace").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (302, "/cart/"));
    let cookie = format!("sessionid={}", client.cookie("sessionid").unwrap());
    let oracle = bed.oracle().await.unwrap();
    let user =
        async || oracle.visit(cookie.as_bytes()).await.unwrap()["verdict"]["username"].clone();
    assert_eq!(user().await, "ada");

    let logged_out = client.send(&app, TestRequest::post().uri("/logout/")).await;
    assert_eq!(text(logged_out).await, "you are logged out");
    assert_ne!(user().await, "ada");
    // Without a CSRF token the logout is refused.
    let forged = by(&site, "ada", Method::POST, "/logout/").await.to_request();
    assert_eq!(call_service(&app, forged).await.status(), 403);
}
