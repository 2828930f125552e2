use actix_django_session::{DjangoSettings, RestAuthentication, RestFramework};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body_json},
};
use serde_json::Value;
use testbed::{Django, Settings};

use crate::rest::bed::{Bed, TOKENS};

chapter::code!("rest", "async fn orders");

#[testbed::test]
async fn an_endpoint_reports_the_user_and_the_authentication_class() {
    let bed = Bed::start(Django::default()).await;
    let mut rest = RestFramework::default();
    rest.default_authentication_classes =
        vec![RestAuthentication::token(), RestAuthentication::session()];
    let mut settings = DjangoSettings::new(Settings::SECRET_KEY);
    settings.rest_framework = rest;
    let site = bed.site(settings);
    let app = init_service(App::new().configure(routes(site))).await;
    let ask = async |header: (&str, String)| {
        let request = TestRequest::get().uri("/api/orders/").insert_header(header);
        let answer = call_service(&app, request.to_request()).await;
        (answer.status().as_u16(), read_body_json::<Value, _>(answer).await)
    };
    let orders = |by_token: bool| (200, json!({ "customer": 1, "by_token": by_token }));
    let token = ask(("Authorization", format!("Token {}", TOKENS[0].0))).await;
    assert_eq!(token, orders(true));
    let session = ask(("Cookie", format!("sessionid={}", bed.sessions[0]))).await;
    assert_eq!(session, orders(false));
    let wrong = ask(("Authorization", "Token wrong".into())).await;
    assert_eq!(wrong, (401, json!({ "detail": "Invalid token." })));
}
