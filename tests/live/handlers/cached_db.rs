//! A service beside a Django that also keeps sessions in Redis; `tests/live/sessions/cached_db.rs` runs it
//! beside such a Django.

use actix_django_session::{
    SessionKey,
    test::{self, Client},
};
use actix_web::{
    App,
    test::{TestRequest, init_service, read_body},
};

use crate::handlers::examples::cached_db::{cache_key, routes};

#[actix_web::test]
async fn the_theme_is_in_the_session() {
    let site = test::site().build();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let answer = client.send(&app, TestRequest::post().uri("/theme/dark")).await;
    assert_eq!(client.session().await.to_json(), r#"{"theme":"dark"}"#);
    assert_eq!(read_body(answer).await, "dark it is\n");
}

#[test]
fn the_cache_key_is_the_one_that_django_uses() {
    let key = SessionKey::new("a-session-key").unwrap();
    assert_eq!(cache_key(&key), ":1:django.contrib.sessions.cached_dba-session-key");
}
