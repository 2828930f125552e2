use actix_django_session::DjangoSessionMiddleware;
use actix_web::App;
use testbed::Browser;

use crate::{
    app::TestApp,
    beds::{Bed, PASSWORD},
};

chapter::code!("live", "async fn events");

#[testbed::test]
async fn events_end_when_the_user_logs_out() {
    let bed = Bed::shared().await;
    let site = bed.site();
    let live = TestApp::start(move || {
        let login_required = DjangoSessionMiddleware::login_required(site.clone());
        App::new().service(web::resource("/events").wrap(login_required).get(events))
    });
    let browser = Browser::new();
    browser.login(bed.bed().site().await.unwrap(), "ada", PASSWORD).await.unwrap();
    let mut events = browser.get(&format!("{}/events", live.url())).await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let first = events.chunk().await.unwrap();
    assert_eq!(first.as_deref(), Some(&b"data: hello, ada\n\n"[..]));
    browser.logout(bed.bed().site().await.unwrap()).await.unwrap();
    // Reads the stream to its end. If the stream had no end, this would not return.
    while events.chunk().await.unwrap().is_some() {}
}
