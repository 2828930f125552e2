use actix_django_session::test;
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
};
use serde_json::json;

use crate::handlers::{
    answers::{header, text},
    bed::{bed, site},
};

chapter::code!("who_may", "async fn idle_timeout");

mod page {
    chapter::code!("who_may", "This is for the people of the shop");

    pub(super) fn permission_required(site: DjangoSite) -> DjangoSessionMiddleware {
        f(site)
    }
}

#[testbed::test]
async fn a_request_records_its_time_for_the_session_timeout() {
    let site = site().await;
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let cookie = test::create_session(&site, "bob").await;
    let get = async || {
        let request = TestRequest::get().uri("/account").insert_header(("Cookie", &*cookie));
        call_service(&app, request.to_request()).await
    };
    let oracle = bed().await.oracle().await.unwrap();
    let written = async || {
        let session = json!({ "cmd": "read_session", "cookie": cookie });
        let session = oracle.ask(session).await.unwrap();
        let data: serde_json::Value =
            serde_json::from_str(session["json"].as_str().unwrap()).unwrap();
        data["_session_init_timestamp_"].as_f64()
    };
    assert_eq!(written().await, None);
    assert_eq!(text(get().await).await, "hello bob");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - written().await.unwrap()).abs() < 600.0);
}

#[testbed::test]
async fn a_user_without_the_permission_gets_our_own_page() {
    let site = site().await;
    let resource = web::resource("/items").wrap(page::permission_required(site.clone()));
    let app = init_service(App::new().service(resource.get(async || "items"))).await;
    let cookie = test::create_session(&site, "bob").await;
    let request = || TestRequest::get().uri("/items");
    let refused = request().insert_header(("Cookie", cookie)).to_request();
    let refused = call_service(&app, refused).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(text(refused).await, "<h1>This is for the people of the shop</h1>");
    let anonymous = call_service(&app, request().to_request()).await;
    assert_eq!(header(&anonymous, "location"), "/accounts/login/?next=/items");
}
