use actix_django_session::DjangoSessionMiddleware;
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
    web,
};

use crate::{
    beds::{nowhere, pool, settings},
    handlers::answers::text,
};

chapter::code!("production", "async fn metrics");

#[testbed::test]
async fn outages_are_counted() {
    let site = counted(DjangoSite::new(pool(&nowhere()), settings()).unwrap());
    let page = web::resource("/page").wrap(DjangoSessionMiddleware::required(site));
    let page = page.get(async || "a page");
    let app = App::new().route("/metrics", web::get().to(metrics)).service(page);
    let app = init_service(app).await;
    let get = async |uri: &str| {
        let request = TestRequest::with_uri(uri).insert_header(("Cookie", "sessionid=abcdefgh12"));
        call_service(&app, request.to_request()).await
    };
    assert_eq!(text(get("/metrics").await).await, "django_outages_total 0\n");
    assert_eq!(get("/page").await.status(), 503);
    assert_eq!(text(get("/metrics").await).await, "django_outages_total 1\n");
}
