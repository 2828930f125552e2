//! The response sends a session cookie only if its row exists.

use std::{sync::Arc, time::Duration};

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, Error,
    SessionEngine, SessionKey, Unavailable,
};
use actix_web::{
    App, HttpResponse,
    http::header::SET_COOKIE,
    test::{TestRequest, call_service, init_service},
    web,
};
use futures_util::future::join;
use serde_json::json;
use testbed::{Log, With};
use tokio::sync::Notify;

use crate::{
    beds::{Bed, settings},
    sessions::operations::operate,
};

fn sliding() -> DjangoSettings {
    settings().with(|s| {
        s.write_sessions = true;
        s.session_save_every_request = true;
    })
}

/// Sends a slow request and, while its handler runs, a request of the same visitor to `meanwhile`. Returns
/// the status of the slow response and the number of its session cookies.
async fn slow_beside(site: &DjangoSite, key: &str, slow: &str, meanwhile: &str) -> (u16, usize) {
    let (begun, other_is_done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let signals = (Arc::clone(&begun), Arc::clone(&other_is_done));
    let wait = move || {
        let (begun, other_is_done) = signals.clone();
        async move {
            begun.notify_one();
            other_is_done.notified().await;
            // Longer than the crate trusts what it has read.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    };
    let wait_too = wait.clone();
    let reads = move |_: DjangoSession| {
        let wait = wait.clone();
        async move {
            wait().await;
            HttpResponse::Ok().finish()
        }
    };
    let saves = move |session: DjangoSessionMut| {
        let wait = wait_too.clone();
        async move {
            session.insert("slow", &1)?;
            session.save().await?;
            wait().await;
            Ok::<_, Error>(HttpResponse::Ok().finish())
        }
    };
    let app = App::new()
        .wrap(DjangoSessionMiddleware::optional(site.clone()))
        .route("/reads", web::get().to(reads))
        .route("/saves", web::get().to(saves))
        .route("/page", web::get().to(async |_: DjangoSession| ""))
        .route(
            "/cycle",
            web::get().to(async |session: DjangoSessionMut| {
                session.cycle_key();
                ""
            }),
        )
        .route(
            "/logout",
            web::get().to(async |session: DjangoSessionMut| session.logout().await.map(|()| "")),
        );
    let app = init_service(app).await;
    let get = async |path: &str| {
        let request = TestRequest::get().uri(path);
        let request = request.insert_header(("Cookie", format!("sessionid={key}")));
        let response = call_service(&app, request.to_request()).await;
        (response.status().as_u16(), response.headers().get_all(SET_COOKIE).count())
    };
    // Enough time for the session to be extended.
    assert_eq!(get("/page").await.0, 200);
    let other = async {
        begun.notified().await;
        assert_eq!(get(meanwhile).await.0, 200);
        other_is_done.notify_one();
    };
    join(get(slow), other).await.0
}

#[testbed::test]
async fn no_response_sends_the_cookie_of_a_deleted_session() {
    let bed = Bed::shared().await;
    let until_2099 = r#"{"a":1,"_session_expiry":"2099-01-01T00:00:00+00:00"}"#;
    for settings in [
        sliding(),
        sliding().with(|s| s.session_save_interval = Some(Duration::from_secs(60))),
        sliding().with(|s| s.session_save_interval = Some(Duration::ZERO)),
    ] {
        let site = bed.site_with(settings);
        for json in [r#"{"a":1}"#, until_2099] {
            for (slow, meanwhile, expected) in [
                ("/reads", "/cycle", (400, 0)),
                ("/reads", "/logout", (400, 0)),
                ("/saves", "/logout", (400, 0)),
                ("/reads", "/page", (200, 1)),
                ("/saves", "/page", (200, 1)),
            ] {
                let key = bed.session(json).await;
                let came = slow_beside(&site, &key, slow, meanwhile).await;
                assert_eq!(came, expected, "{json} {slow} {meanwhile}");
            }
        }
    }
    // If sessions do not slide, a request that only reads gets no cookie.
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    for (slow, meanwhile, expected) in
        [("/reads", "/logout", (200, 0)), ("/saves", "/cycle", (400, 0))]
    {
        let key = bed.session(r#"{"a":1}"#).await;
        assert_eq!(slow_beside(&site, &key, slow, meanwhile).await, expected, "{slow}");
    }
}

/// As in Django 5.1 and later: the session has a new key, so the visitor must get its cookie.
#[testbed::test]
async fn a_cache_outage_does_not_lose_the_session() {
    let bed = Bed::shared().await;
    let mut cached = settings();
    cached.session_engine = SessionEngine::CachedDb;
    cached.write_sessions = true;
    let site = bed.site_with(cached).on_session_change(|_: SessionKey| async {
        Err::<(), _>(std::io::Error::other("the cache is away"))
    });
    let log = Log::default();
    log.listen();
    for ops in [json!([["cycle_key"]]), json!([["login", "ada"]])] {
        let key = bed.session(r#"{"cart":[1]}"#).await;
        log.clear();
        let came = operate(&site, Some(&format!("sessionid={key}")), &ops, 200).await;
        assert_eq!(came.status, 200, "{ops}");
        let cookie = came.set_cookie.iter().find(|cookie| cookie.starts_with("sessionid="));
        let new = cookie.unwrap().split(['=', ';']).nth(1).unwrap();
        assert_ne!(new, key);
        let row = bed.ask(json!({ "cmd": "read_row", "key": new })).await;
        assert!(row["json"].as_str().unwrap().starts_with(r#"{"cart": [1]"#), "{row}");
        let message = log.of_this_crate(&["ERROR"]);
        assert_eq!(message.len(), 1, "{message:?}");
        assert!(message[0].contains("the cache is away"), "{message:?}");
        assert!(!message[0].contains(new) && !message[0].contains(&key));
    }
    // A session that was ended or changed under its key may still have its old copy in the cache.
    for ops in [json!([["flush"]]), json!([["logout"]]), json!([["insert", "cart", 2]])] {
        let key = bed.session(r#"{"cart":[1]}"#).await;
        let came = operate(&site, Some(&format!("sessionid={key}")), &ops, 200).await;
        assert_eq!((came.status, came.set_cookie), (503, vec![]), "{ops}");
    }
    let away = Unavailable::Cache("away".into());
    assert!(away.to_string().contains("on_session_change"));
}
