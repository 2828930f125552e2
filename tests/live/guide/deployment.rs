use actix_django_session::DjangoSessionMiddleware;
use actix_web::{
    App,
    http::Method,
    test::{TestRequest, call_service, init_service},
    web,
};

use super::by;
use crate::handlers::{answers::header, bed::site};

chapter::code!("deployment", "async fn who");

#[testbed::test]
async fn the_proxy_gets_the_name_of_the_user() {
    let site = site().await;
    let middleware = DjangoSessionMiddleware::login_required(site.clone()).respond_401();
    let who = web::resource("/who").wrap(middleware).get(who);
    let app = init_service(App::new().service(who)).await;
    let ada = by(&site, "ada", Method::GET, "/who").await.to_request();
    let answer = call_service(&app, ada).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "x-user-id")), (204, "1"));
    let anonymous = TestRequest::with_uri("/who").to_request();
    assert_eq!(call_service(&app, anonymous).await.status(), 401);
}
