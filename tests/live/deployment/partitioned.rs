//! The proxy makes all cookies partitioned: Django's and those of a service.

use actix_django_session::{CsrfToken, DjangoSessionMiddleware};
use actix_web::{App, web};

use super::nginx::Nginx;
use crate::{app::TestApp, beds::Bed};

#[testbed::test]
async fn the_cookies_of_django_and_rust_are_partitioned() {
    let bed = Bed::shared().await;
    let middleware = DjangoSessionMiddleware::optional(bed.site());
    let page = async |token: CsrfToken| token.input().to_string();
    let rust = TestApp::start(move || {
        App::new().service(web::resource("/api/orders/").wrap(middleware.clone()).get(page))
    });
    let servers = [
        ("127.0.0.1:8000", bed.bed().site().await.unwrap().url()),
        ("127.0.0.1:8080", &rust.url()),
    ];
    let Some(nginx) = Nginx::start("partitioned.conf", &servers).await else { return };
    for path in ["/api/orders/", "/accounts/login/"] {
        let cookie = nginx.send("GET", path, "").await.header("set-cookie").unwrap();
        assert!(cookie.starts_with("csrftoken="), "{path}");
        assert!(cookie.contains("; Path=/; Partitioned; "), "{path}");
    }
}
