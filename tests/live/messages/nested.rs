//! Messages in the session, with several middlewares around the handler.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, MessageStorage, Messages,
};
use actix_web::{
    App,
    cookie::Cookie,
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use serde_json::json;
use testbed::{Log, With};

use crate::beds::{Bed, pool, settings};

async fn leave(messages: Messages) -> &'static str {
    messages.info("1");
    "left"
}

async fn show(messages: Messages) -> String {
    messages.read().iter().map(|message| message.text().to_owned()).collect()
}

/// A page that leaves a message and one that shows it, behind a middleware of each site.
async fn left_and_shown(bed: &Bed, outer: DjangoSite, inner: DjangoSite) {
    let [outer, inner] = [outer, inner].map(DjangoSessionMiddleware::optional);
    let app = App::new()
        .service(web::resource("/leave").wrap(inner.clone()).wrap(outer.clone()).to(leave))
        .service(web::resource("/show").wrap(inner).wrap(outer).to(show));
    let app = init_service(app).await;
    let before = bed.sql("SELECT count(*) FROM django_session").await;
    let answer = call_service(&app, TestRequest::with_uri("/leave").to_request()).await;
    let cookies: Vec<Cookie<'static>> =
        answer.response().cookies().map(|cookie| cookie.into_owned()).collect();
    let [cookie] = &cookies[..] else { panic!("{cookies:?}") };
    assert_eq!(cookie.name(), "sessionid");
    let after = bed.sql("SELECT count(*) FROM django_session").await;
    assert_eq!(after[0][0].as_i64().unwrap(), before[0][0].as_i64().unwrap() + 1);
    for shown in ["1", ""] {
        let page = TestRequest::with_uri("/show").cookie(cookie.clone()).to_request();
        assert_eq!(read_body(call_service(&app, page).await).await, shown);
    }
}

fn site(bed: &Bed, change: impl FnOnce(DjangoSettings) -> DjangoSettings) -> DjangoSite {
    let mut settings = settings();
    settings.message_storage = MessageStorage::Session;
    DjangoSite::new(pool(bed.url()), change(settings)).unwrap()
}

/// The inner middleware stores the session before the outer one has the response.
#[testbed::test]
async fn a_read_only_middleware_can_be_around_one_that_writes() {
    let log = Log::default();
    log.listen();
    let bed = Bed::new().await;
    let outer = site(&bed, |settings| settings.with(|s| s.write_sessions = false));
    left_and_shown(&bed, outer, site(&bed, |settings| settings.with(|s| s.write_sessions = true)))
        .await;
    assert_eq!(log.of_this_crate(&["ERROR"]), [""; 0]);
}

/// A middleware of another cookie stores no messages.
#[testbed::test]
async fn two_nested_sites_store_messages_in_one_session() {
    let bed = Bed::new().await;
    let outer = |settings: DjangoSettings| {
        settings.with(|s| {
            s.write_sessions = true;
            s.session_cookie_name = "other_sessionid".into();
        })
    };
    let inner = site(&bed, |settings| settings.with(|s| s.write_sessions = true));
    left_and_shown(&bed, site(&bed, outer), inner).await;
    let sessions = bed.sql("SELECT count(*) FROM django_session").await;
    assert_eq!(sessions, json!([[1]]));
}
