//! Forms that come slowly, or too many at once, over real connections.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_django_session::{DjangoSessionMiddleware, DjangoSettings, Event};
use actix_web::{App, web};

use super::{
    bodies::{MULTIPART, Sender, URLENCODED, part},
    requests::{SECRET, site},
};
use crate::app::TestApp;

type Heard = Arc<Mutex<Vec<(&'static str, Option<String>)>>>;

fn app(settings: DjangoSettings) -> (TestApp, Heard) {
    let heard = Heard::default();
    let sink = Arc::clone(&heard);
    let site = site(settings).on_event(move |event: Event<'_>| {
        if let Some(reason) = event.reason() {
            sink.lock().unwrap().push((reason, event.middleware().map(Into::into)));
        }
    });
    let app = TestApp::start(move || {
        let middleware = DjangoSessionMiddleware::optional(site.clone()).name("forms");
        App::new().wrap(middleware).default_service(web::to(async || "reached"))
    })
    .with_log();
    (app, heard)
}

#[testbed::test]
async fn a_client_that_sends_too_slowly_gets_a_408_and_no_more_is_read() {
    const FORM_TIMEOUT: Duration = Duration::from_millis(300);
    let kilobytes = ("Content-Length", "100000");
    let megabytes = ("Content-Length", "100000000");
    let chunked = ("Transfer-Encoding", "chunked");
    let spooled = part("up", Some("a"), &[b'x'; 3_000_000]);
    let cases: [(_, _, &[u8], &[u8]); 4] = [
        (URLENCODED, kilobytes, b"a=", b"x"),
        (URLENCODED, chunked, b"", b"1\r\nx\r\n"),
        (MULTIPART, kilobytes, b"--XyZ\r\n", b"x"),
        (MULTIPART, megabytes, &spooled, b"x"),
    ];
    for (content_type, length, first, piece) in cases {
        let mut settings = DjangoSettings::new("k");
        settings.form_timeout = FORM_TIMEOUT;
        let (app, heard) = app(settings);
        let start = Instant::now();
        let mut sender = Sender::to(&app, "/", &[content_type, length]).await;
        sender.send(first).await;
        let answer = sender.trickle(piece).await;
        assert_eq!((answer.status, answer.text().as_str()), (408, ""));
        assert_eq!(answer.header("connection").as_deref(), Some("close"));
        assert!(start.elapsed() >= FORM_TIMEOUT);
        assert_eq!(*heard.lock().unwrap(), [("form_timeout", Some("forms".into()))]);
        let lines = app.log().of_this_crate(&["ERROR", "WARN", "INFO", "DEBUG"]);
        let [line] = &lines[..] else { panic!("{lines:#?}") };
        assert!(line.contains("a form was not read") && line.contains("300ms"), "{line}");
    }
}

#[testbed::test]
async fn a_form_without_room_gets_a_503_and_can_be_sent_again() {
    let mut settings = DjangoSettings::new("k");
    (settings.max_form_memory, settings.max_form_spool) = (10_000, 20_000);
    let (app, heard) = app(settings);
    let body = format!("{}&csrfmiddlewaretoken={SECRET}", "x".repeat(15_000)).into_bytes();
    let length = body.len().to_string();
    let headers = [URLENCODED, ("Content-Length", &length)];
    // One of the forms that wait for their last byte uses all of the room.
    let mut holders = Vec::new();
    let refused = loop {
        let mut holder = Sender::to(&app, "/", &headers).await;
        holder.send(&body[..body.len() - 1]).await;
        holders.push(holder);
        let mut sender = Sender::to(&app, "/", &headers).await;
        sender.send(&body).await;
        match sender.answer().await {
            // No form has come that far yet.
            (200, _) => {}
            refused => break refused,
        }
    };
    assert_eq!(refused, (503, Vec::new()));
    let reason = ("too_many_forms", Some("forms".into()));
    assert!(heard.lock().unwrap().iter().all(|heard| *heard == reason));
    let lines = app.log().of_this_crate(&["WARN"]);
    assert!(lines[0].contains("too many forms are being read"), "{lines:?}");

    // A connection that is closed gives its room back.
    drop(holders);
    loop {
        let mut sender = Sender::to(&app, "/", &headers).await;
        sender.send(&body).await;
        match sender.answer().await.0 {
            503 => {}
            status => break assert_eq!(status, 200),
        }
    }
}

#[testbed::test]
async fn a_form_that_breaks_off_has_no_token() {
    let (app, _) = app(DjangoSettings::new("k"));
    let token = part("csrfmiddlewaretoken", None, SECRET.as_bytes());
    let large = [part("up", Some("a"), &[b'x'; 3_000_000]), token.clone()].concat();
    let large = &large[..large.len() - 2];
    let urlencoded = format!("csrfmiddlewaretoken={SECRET}").into_bytes();
    let chunk = [format!("{:x}\r\n", urlencoded.len()).as_bytes(), &urlencoded, b"\r\n"].concat();
    let long = ("Content-Length", "4000000");
    let short = ("Content-Length", "500");
    let chunked = ("Transfer-Encoding", "chunked");
    let right = ("X-CSRFToken", SECRET);
    let cases: [(_, _, &[u8]); 5] = [
        (URLENCODED, short, &urlencoded),
        (MULTIPART, short, &token),
        (MULTIPART, long, large),
        (URLENCODED, chunked, &chunk),
        (URLENCODED, chunked, &[&chunk[..], b"no length\r\n"].concat()),
    ];
    for (content_type, length, body) in cases {
        for (header, status) in [(None, 403), (Some(right), 200)] {
            let headers: Vec<_> = [content_type, length].into_iter().chain(header).collect();
            let mut sender = Sender::to(&app, "/", &headers).await;
            sender.send(body).await;
            sender.end().await;
            assert_eq!(sender.answer().await.0, status, "{content_type:?} {length:?} {header:?}");
        }
    }
}
