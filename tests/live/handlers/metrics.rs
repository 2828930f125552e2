//! Counters of a site's events.

use actix_django_session::test::{self, Client, TestUser};
use actix_web::{
    App,
    test::{TestRequest, init_service},
};

use crate::handlers::{answers::text, examples::metrics::routes};

#[actix_web::test]
async fn anonymous_visitors_are_counted_and_users_are_not() {
    let site = test::site().user(TestUser::new(1, "ada")).build();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let account = || TestRequest::get().uri("/account");
    assert_eq!(client.send(&app, account()).await.status(), 302);
    client.force_login("ada").await;
    assert_eq!(text(client.send(&app, account()).await).await, "welcome, ada");

    let page = client.send(&app, TestRequest::get().uri("/metrics")).await;
    assert_eq!(
        text(page).await,
        "# TYPE django_sessions_total counter\n\
         django_sessions_total{event=\"rejected\",reason=\"no_session_key\",middleware=\"account\"} 1\n\
         django_sessions_total{event=\"session_found\"} 1\n\
         django_sessions_total{event=\"session_lookup\"} 1\n\
         django_sessions_total{event=\"user_found\",\
         backend=\"django.contrib.auth.backends.ModelBackend\"} 1\n\
         django_sessions_total{event=\"user_lookup\"} 1\n"
    );
}
