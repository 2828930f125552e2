//! Slow forms of one client take the room of nginx, not that of the service.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use actix_django_session::{DjangoSessionMiddleware, DjangoSettings, DjangoSite};
use actix_web::{App, web};
use futures_util::future::{FutureExt, select_all};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::nginx::Nginx;
use crate::{
    app::{Answer, TestApp},
    beds::{nowhere, pool},
};

const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz012345";

/// Sends a form without its last byte.
async fn slow_form(nginx: &Nginx, body: &str) -> UnixStream {
    let mut stream = nginx.connect().await;
    let head = format!(
        "POST /notes/ HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\
         Cookie: csrftoken={TOKEN}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body[..body.len() - 1]).as_bytes()).await.unwrap();
    stream
}

async fn answer(stream: &mut UnixStream) -> Answer {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Answer::parse(&answer)
}

#[testbed::test]
async fn slow_forms_wait_at_nginx_and_each_client_has_a_share() {
    let body = format!("a={}&csrfmiddlewaretoken={TOKEN}", "x".repeat(15_000));
    let mut settings = DjangoSettings::new("k");
    // Room for one form.
    (settings.max_form_memory, settings.max_form_spool) = (20_000, 0);
    let site = DjangoSite::new(pool(&nowhere()), settings).unwrap();
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    let rust = TestApp::start(move || {
        let count = Arc::clone(&count);
        App::new()
            .wrap(DjangoSessionMiddleware::optional(site.clone()))
            .wrap_fn(move |req, service| {
                count.fetch_add(1, Relaxed);
                actix_web::dev::Service::call(service, req)
            })
            .default_service(web::to(async || "stored"))
    });
    let changes =
        [("127.0.0.1:8080", &*rust.url()), ("limit_conn clients 20", "limit_conn clients 3")];
    let Some(nginx) = Nginx::start("forms.conf", &changes).await else { return };

    // All clients have one address here, so one of these exceeds the share.
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(slow_form(&nginx, &body).await);
    }
    let answers = slow.iter_mut().map(|form| answer(form).boxed_local());
    let (refused, number, _) = select_all(answers).await;
    assert_eq!(refused.status, 429);
    slow.remove(number);
    assert_eq!(arrived.load(Relaxed), 0, "nginx has passed on half a form");
    // One after the other, because there is room for one.
    for mut form in slow {
        form.write_all(&body.as_bytes()[body.len() - 1..]).await.unwrap();
        let answer = answer(&mut form).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "stored"));
    }
    assert_eq!(arrived.load(Relaxed), 3);
}
