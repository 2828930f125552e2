//! Counters, from the events of a store.

use actix_django_session::test::{self, TestUser};
use actix_web::{
    App,
    test::{TestRequest, call_and_read_body, call_service, init_service},
};

use crate::handlers::examples::metrics::routes;

#[actix_web::test]
async fn a_stranger_is_counted_and_a_user_is_not() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let account = || TestRequest::get().uri("/account").to_request();
    assert_eq!(call_service(&app, account()).await.status(), 302);
    let ada = account();
    test::user(&ada, TestUser::new(1, "ada"));
    assert_eq!(call_and_read_body(&app, ada).await, "welcome, ada");

    let page = call_and_read_body(&app, TestRequest::get().uri("/metrics").to_request()).await;
    assert_eq!(
        page,
        "# TYPE django_sessions_total counter\n\
         django_sessions_total{event=\"rejected\",reason=\"no_session_key\",middleware=\"account\"} 1\n"
    );
}
