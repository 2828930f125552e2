use actix_web::{
    App,
    http::Method,
    test::{call_service, init_service},
};

use super::by;
use crate::handlers::{answers::text, bed::site};

chapter::code!("differences", "async fn home");

#[testbed::test]
async fn a_request_to_another_host_gets_a_400() {
    let site = site().await;
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    for (host, status) in
        [("www.example.com", 200), ("example.com", 200), ("evil.example", 400), ("", 400)]
    {
        let request = by(&site, "ada", Method::GET, "/").await.insert_header(("Host", host));
        let answer = call_service(&app, request.to_request()).await;
        assert_eq!(answer.status(), status, "{host}");
        assert_eq!(text(answer).await, if status == 200 { "Hello, ada" } else { "" });
    }
}
