//! Responses of every kind: streams, errors, panics, and clients that disconnect early.

use std::{task::Poll, time::Duration};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, Error, SessionKey,
};
use actix_web::{App, HttpRequest, HttpResponse, web};
use futures_util::{FutureExt, TryFutureExt, stream};
use serde_json::json;
use testbed::{Django, Settings, With, until};

use crate::{
    app::TestApp,
    beds::{Bed, settings},
    sessions::operations::{ODD_COOKIES, django, leave_alone, operate},
};

fn site(bed: &Bed) -> DjangoSite {
    bed.site_with(settings().with(|s| s.write_sessions = true))
}

/// The value of "a" in the row with this key.
async fn value_of_a(site: &DjangoSite, key: &str) -> Option<u32> {
    let session = site.load(&SessionKey::new(key).unwrap()).await.unwrap();
    session.get("a").unwrap()
}

#[testbed::test]
async fn a_stream_is_sent_after_the_session_is_saved() {
    let bed = Bed::shared().await;
    let site = site(bed);
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let of_handler = site.clone();
    let handler = move |session: DjangoSessionMut| {
        let site = of_handler.clone();
        async move {
            session.insert("a", &1)?;
            // The stream sends the value that the row has at that time.
            let body = stream::once(async move {
                let key = session.data().get::<String>("key")?.unwrap();
                let seen = value_of_a(&site, &key).await;
                Ok::<_, Error>(web::Bytes::from(format!("{seen:?}")))
            });
            Ok::<_, Error>(HttpResponse::Ok().streaming(body))
        }
    };
    let app = TestApp::start(move || {
        App::new().wrap(middleware.clone()).route("/", web::get().to(handler.clone()))
    });
    let key = bed.session("{}").await;
    bed.ask(json!({
        "cmd": "sign_row", "key": key, "obj_json": format!(r#"{{"key":"{key}"}}"#)
    }))
    .await;
    let answer = app.get("/", &key).await;
    assert!(answer.text().contains("Some(1)"), "{answer:?}");
    assert!(answer.header("set-cookie").is_some());
}

#[testbed::test]
async fn a_change_after_the_response_was_sent_is_not_saved_and_is_logged() {
    let bed = Bed::shared().await;
    let site = site(bed);
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let handler = async |session: DjangoSessionMut| {
        HttpResponse::Ok().streaming(stream::once(async move {
            session.insert("a", &2)?;
            assert!(session.save().await.is_err());
            Ok::<_, Error>(web::Bytes::from_static(b"late"))
        }))
    };
    let app = TestApp::start(move || {
        App::new().wrap(middleware.clone()).route("/", web::get().to(handler))
    })
    .with_log();
    let key = bed.session("{}").await;
    assert_eq!(app.get("/", &key).await.status, 200);
    assert_eq!(value_of_a(&site, &key).await, None);
    let message = app.log().of_this_crate(&["ERROR"]);
    assert!(message.iter().any(|line| line.contains("after its answer was sent")), "{message:?}");
}

/// A session that was flushed before ends, as in Django, which deletes the row in `flush()`.
#[testbed::test]
async fn a_handler_that_panics_saves_nothing() {
    let bed = Bed::shared().await;
    let site = site(bed);
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let handler = async |session: DjangoSessionMut, request: HttpRequest| {
        session.insert("a", &1)?;
        if request.query_string() == "flush" {
            session.flush();
        }
        if session.get::<u32>("b")?.is_none() {
            panic!("this panic is part of the test");
        }
        Ok::<_, Error>("a page")
    };
    for uri in ["/", "/?flush"] {
        let key = bed.session(r#"{"a":0}"#).await;
        // Calls the service without a server: a panic on a server would end a worker and the test.
        let request = async {
            let app = App::new().wrap(middleware.clone()).route("/", web::get().to(handler));
            let app = actix_web::test::init_service(app).await;
            let request = actix_web::test::TestRequest::with_uri(uri);
            let request = request.insert_header(("Cookie", format!("sessionid={key}")));
            drop(actix_web::test::call_service(&app, request.to_request()).await);
        };
        let caught = std::panic::AssertUnwindSafe(request);
        assert!(caught.catch_unwind().await.is_err());
        match uri {
            "/" => assert_eq!(value_of_a(&site, &key).await, Some(0)),
            _ => {
                let key = SessionKey::new(&key).unwrap();
                until("the row is deleted", async || {
                    matches!(site.load(&key).await, Err(Error::SessionNotFound))
                })
                .await;
            }
        }
    }
}

#[testbed::test]
async fn a_client_that_hangs_up_at_any_moment_leaves_nothing_half_done() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let site = site(&bed);
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let handler = async |session: DjangoSessionMut| {
        session.insert("a", &1)?;
        session.save().await?;
        session.update("a", |a: &mut u32| *a += 1)?;
        session.cycle_key();
        Ok::<_, Error>("a page")
    };
    let app = App::new().wrap(middleware).route("/", web::get().to(handler));
    let app = actix_web::test::init_service(app).await;
    let mut finished = 0;
    for moment in 0..40 {
        let key = bed.session(r#"{"start":1}"#).await;
        let request = actix_web::test::TestRequest::get();
        let request = request.insert_header(("Cookie", format!("sessionid={key}")));
        let answer = Box::pin(actix_web::test::call_service(&app, request.to_request()));
        // When a client disconnects, the server drops its request.
        finished += usize::from(waited(answer, moment / 2).await);
        let rows = bed.sql("SELECT count(*) FROM django_session").await;
        assert_eq!(rows[0][0], moment + 1, "one row for each");
        match site.load(&SessionKey::new(&*key).unwrap()).await {
            Ok(session) => assert!(session.get::<u32>("a").unwrap() <= Some(1)),
            Err(error) => assert!(matches!(error, Error::SessionNotFound), "{error:?}"),
        }
    }
    assert!(0 < finished && finished < 40, "{finished} requests got a response");
}

/// Polls a future at most `times` times, then drops it. Returns whether it became ready.
async fn waited<F: Future + Unpin>(mut future: F, mut times: u64) -> bool {
    std::future::poll_fn(move |cx| match future.poll_unpin(cx) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if times == 0 => Poll::Ready(false),
        Poll::Pending => {
            times -= 1;
            Poll::Pending
        }
    })
    .await
}

#[testbed::test]
async fn a_session_too_large_to_be_read_again_is_not_saved() {
    let bed = Bed::shared().await;
    let mut small = settings();
    small.write_sessions = true;
    small.max_decompressed_size = 1000;
    let site = bed.site_with(small);
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let handler = async |session: DjangoSessionMut| {
        session.insert("a", &1)?;
        session.insert("much", &"x".repeat(1000))?;
        Ok::<_, Error>("a page")
    };
    let app = App::new().wrap(middleware).route("/", web::get().to(handler));
    let app = actix_web::test::init_service(app).await;
    let key = bed.session("{}").await;
    let request = actix_web::test::TestRequest::get();
    let request = request.insert_header(("Cookie", format!("sessionid={key}")));
    let response = actix_web::test::call_service(&app, request.to_request()).await;
    assert_eq!(response.status(), 500);
    assert_eq!(value_of_a(&site, &key).await, None);
}

#[testbed::test]
async fn a_client_that_ends_a_session_and_disconnects_leaves_no_cached_copy() {
    let bed = Bed::shared().await;
    let outcome = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let hears = std::sync::Arc::clone(&outcome);
    let site = site(bed).on_session_change(move |_| {
        hears.add_permits(1);
        async { Ok::<_, std::io::Error>(()) }
    });
    let key = SessionKey::new(bed.session("{}").await).unwrap();
    // The request is dropped when it first waits for the database.
    let answered = waited(Box::pin(site.delete(&key)), 0).await;
    assert!(!answered);
    outcome.acquire().await.unwrap().forget();
    assert!(matches!(site.load(&key).await, Err(Error::SessionNotFound)));
}

/// The visitor gets a response at once; the cache is updated when it is available again.
#[testbed::test]
async fn a_cache_that_hangs_does_not_delay_the_response() {
    let bed = Bed::shared().await;
    let hangs = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let (outcome, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let cache = std::sync::Arc::clone(&hangs);
    let mut impatient = settings();
    impatient.write_sessions = true;
    impatient.timeout = Duration::from_secs(1);
    let site = bed.site_with(impatient).on_session_change(move |key| {
        let (cache, outcome) = (std::sync::Arc::clone(&cache), outcome.clone());
        async move {
            let _permit = cache.acquire().await;
            outcome.send(key).map_err(|_| std::io::Error::other("no receiver"))
        }
    });
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let handler = async |session: DjangoSessionMut| {
        session.flush();
        "a page"
    };
    let app = App::new().wrap(middleware).route("/", web::get().to(handler));
    let app = actix_web::test::init_service(app).await;
    let key = SessionKey::new(bed.login("ada").await).unwrap();
    let request = actix_web::test::TestRequest::get();
    let request = request.insert_header(("Cookie", format!("sessionid={}", key.as_str())));
    let answer = actix_web::test::call_service(&app, request.to_request());
    let limit = Duration::from_secs(20);
    let answer = tokio::time::timeout(limit, answer).await.expect("an answer");
    assert_eq!(answer.status(), 503);
    assert!(matches!(site.load(&key).await, Err(Error::SessionNotFound)));

    let other = SessionKey::new(bed.session("{}").await).unwrap();
    let deleted = tokio::time::timeout(limit, site.delete(&other)).await.expect("an answer");
    let error = deleted.unwrap_err().chain().to_string();
    assert!(
        error.ends_with("hook failed: the on_session_change hook took longer than 1s"),
        "{error}"
    );
    hangs.add_permits(1);
    for ended in [key, other] {
        assert_eq!(hears.recv().await.unwrap().as_str(), ended.as_str());
    }
}

/// The new session has an invalid expiry: the response is a 500, and the user is logged out.
#[testbed::test]
async fn a_flush_takes_effect_even_if_the_new_session_cannot_be_saved() {
    let bed = Bed::shared().await;
    let site = site(bed);
    for ops in [
        json!([["flush"], ["insert", "a", 1], ["set_expiry", i64::MAX]]),
        json!([["login", "grace"], ["set_expiry", i64::MAX]]),
    ] {
        let [theirs, ours] = [bed.login("ada").await, bed.login("ada").await];
        let cookie = |key: &str| format!("sessionid={key}");
        let django = django(bed, Some(&cookie(&theirs)), &ops, 200).await;
        let rust = operate(&site, Some(&cookie(&ours)), &ops, 200).await;
        assert_eq!((django.status, rust.status), (500, 500), "{ops}");
        for key in [theirs, ours] {
            let row = bed.ask(json!({ "cmd": "read_row", "key": key })).await;
            assert!(row.is_null(), "{ops}: {row}");
        }
    }
}

/// It is too late to delete the cookie, but the row is deleted.
#[testbed::test]
async fn a_flush_in_a_stream_ends_the_session() {
    let bed = Bed::shared().await;
    let (outcome, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let site = site(bed).on_session_change(move |_| {
        outcome.send(()).unwrap();
        async { Ok::<_, std::io::Error>(()) }
    });
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let handler = async |session: DjangoSessionMut| {
        HttpResponse::Ok().streaming(stream::once(async move {
            session.flush();
            Ok::<_, Error>(web::Bytes::from_static(b"late"))
        }))
    };
    let app = TestApp::start(move || {
        App::new().wrap(middleware.clone()).route("/", web::get().to(handler))
    });
    let key = bed.login("ada").await;
    assert_eq!(app.get("/", &key).await.status, 200);
    hears.recv().await.unwrap();
    let session = site.load(&SessionKey::new(key).unwrap()).await;
    assert!(matches!(session, Err(Error::SessionNotFound)), "{session:?}");
}

#[testbed::test]
async fn an_invalid_session_cookie_is_deleted_even_if_no_handler_uses_the_session() {
    let versions = Django::available().unwrap();
    for version in [versions[0], versions[versions.len() - 1]] {
        let bed = Bed::of(version).await;
        let site = site(bed);
        let mut deleted = 0;
        for status in [200, 500] {
            for cookie in ODD_COOKIES {
                let [ours, django] = leave_alone(bed, &site, cookie, status).await;
                assert_eq!(ours, django, "{version}: {cookie}, {status}");
                deleted += django.len();
            }
        }
        assert_eq!(deleted, 10, "{version}");
        // The cookie is also deleted if the CSRF check refuses the request before the user is looked up.
        let middleware = DjangoSessionMiddleware::optional(site.clone());
        let app = App::new().wrap(middleware).route("/", web::post().to(HttpResponse::Ok));
        let app = actix_web::test::init_service(app).await;
        for cookie in ODD_COOKIES {
            let post = json!({ "cmd": "visit", "cookie": cookie, "method": "POST" });
            let django = bed.ask(post).await;
            let request = actix_web::test::TestRequest::post().insert_header(("Cookie", cookie));
            let response = actix_web::test::call_service(&app, request.to_request()).await;
            assert_eq!((response.status().as_u16(), &django["status"]), (403, &json!(403)));
            let ours = response.headers().get_all("set-cookie");
            let ours: Vec<_> = ours.map(|header| header.to_str().unwrap()).collect();
            assert_eq!(json!(ours), django["set_cookie"], "{version}: {cookie}");
        }
    }
}

/// The rest of the handler would run with the body, and the body waits until the session is saved.
#[testbed::test]
async fn a_save_that_a_handler_abandoned_does_not_delay_others() {
    let bed = Bed::shared().await;
    let limit = Duration::from_secs(2);
    let site = bed.site_with(settings().with(|s| {
        s.write_sessions = true;
        s.timeout = limit;
    }));
    let handler = async |session: DjangoSessionMut| {
        session.insert("a", &1)?;
        let mut save = Box::pin(async move { session.save().await });
        assert!(futures_util::poll!(&mut save).is_pending());
        let body = stream::once(save.map_ok(|()| web::Bytes::from_static(b"a page")));
        Ok::<_, Error>(HttpResponse::Ok().streaming(body))
    };
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let app = App::new().wrap(middleware).route("/", web::get().to(handler));
    let app = actix_web::test::init_service(app).await;
    let key = bed.session("{}").await;
    let request = actix_web::test::TestRequest::get();
    let request = request.insert_header(("Cookie", format!("sessionid={key}")));
    let answer = actix_web::test::call_service(&app, request.to_request());
    let response = tokio::time::timeout(Duration::from_secs(60), answer).await.unwrap();
    assert_eq!(response.status(), 503);
}
