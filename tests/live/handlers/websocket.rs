//! What stays open. That it ends with the session takes real rows:
//! `tests/live/login_required/examples.rs`.

use actix_django_session::{
    DjangoSite,
    test::{self, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body},
    web::ServiceConfig,
};

use tokio::sync::watch;

use crate::handlers::{answers::header, examples::websocket};

/// Of a process that goes on.
pub(crate) fn no_shutdown() -> websocket::Shutdown {
    let (ends, shutdown) = watch::channel(false);
    std::mem::forget(ends);
    shutdown
}

fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    websocket::routes(site, no_shutdown())
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
    let app = init_service(App::new().configure(routes(test::site()))).await;
    assert_eq!(call_service(&app, handshake().to_request()).await.status(), 401);
    let ada = handshake().to_request();
    test::user(&ada, TestUser::new(1, "ada"));
    let answer = call_service(&app, ada).await;
    assert_eq!(answer.status(), 101);
    assert_eq!(header(&answer, "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[actix_web::test]
async fn another_site_gets_no_socket() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let foreign = handshake().insert_header(("Origin", "https://evil.example")).to_request();
    test::user(&foreign, TestUser::new(1, "ada"));
    assert_eq!(call_service(&app, foreign).await.status(), 403);
}

/// Without a database it cannot be told whether the session still stands, so they end.
#[actix_web::test]
async fn events_end_when_the_database_is_away() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let events = || TestRequest::get().uri("/live/events").to_request();
    assert_eq!(call_service(&app, events()).await.status(), 401);
    let ada = events();
    test::user(&ada, TestUser::new(1, "ada"));
    let answer = call_service(&app, ada).await;
    assert_eq!(header(&answer, "content-type"), "text/event-stream");
    read_body(answer).await;
}
