//! WebSockets and event streams. `tests/live/login_required/examples.rs` checks with real rows that they
//! end with the session.

use actix_django_session::{
    DjangoSite,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, init_service, read_body},
    web::ServiceConfig,
};
use tokio::sync::watch;

use crate::handlers::{answers::header, examples::websocket};

/// The shutdown signal of a process that keeps running.
pub(crate) fn no_shutdown() -> websocket::Shutdown {
    let (ends, shutdown) = watch::channel(false);
    std::mem::forget(ends);
    shutdown
}

fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    websocket::routes(site, no_shutdown())
}

fn site() -> DjangoSite {
    test::site().user(TestUser::new(1, "ada")).build()
}

/// A handshake, with the key and the answer of RFC 6455.
fn handshake() -> TestRequest {
    TestRequest::get()
        .uri("/live/socket")
        .insert_header(("Connection", "Upgrade"))
        .insert_header(("Upgrade", "websocket"))
        .insert_header(("Sec-WebSocket-Version", "13"))
        .insert_header(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
}

#[actix_web::test]
async fn a_user_gets_a_socket() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    assert_eq!(client.send(&app, handshake()).await.status(), 401);
    client.force_login("ada").await;
    let answer = client.send(&app, handshake()).await;
    assert_eq!(answer.status(), 101);
    assert_eq!(header(&answer, "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[actix_web::test]
async fn another_site_cannot_open_a_socket() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let foreign = handshake().insert_header(("Origin", "https://evil.example"));
    let ada = Client::logged_in(&site, "ada").await;
    assert_eq!(ada.send(&app, foreign).await.status(), 403);
}

#[actix_web::test]
async fn events_end_when_the_user_becomes_inactive() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let events = || TestRequest::get().uri("/live/events");
    assert_eq!(client.send(&app, events()).await.status(), 401);
    client.force_login("ada").await;
    let answer = client.send(&app, events()).await;
    assert_eq!(header(&answer, "content-type"), "text/event-stream");
    test::put_user(&site, TestUser::new(1, "ada").inactive());
    read_body(answer).await;
}
