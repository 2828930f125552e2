//! Lookups on several runtimes: each depends only on its own.

use std::{
    pin::pin,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use actix_django_session::{DjangoSessionMiddleware, DjangoSite, SessionKey};
use actix_web::{
    App, HttpResponse,
    http::header::COOKIE,
    test::{TestRequest, call_service, init_service},
    web,
};
use futures_util::{future::join_all, poll};
use tokio::runtime::{Builder, Runtime};

use crate::{
    backends::Backends,
    beside_others,
    scene::Scene,
    service::{pool, settings},
    until,
};

const TIMEOUT: Duration = Duration::from_secs(20);

fn store_and_key(scene: &Scene) -> (DjangoSite, SessionKey) {
    let mut settings = settings();
    settings.timeout = TIMEOUT;
    let site = DjangoSite::new(pool(scene.database.url(), 4), settings).unwrap();
    (site, SessionKey::new(scene.user().key.clone().unwrap()).unwrap())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn no_connection_is_left(scene: &Scene) {
    let backends = Backends::of(scene).await;
    until("no connection is left", async || backends.count().await == 0).await;
}

/// A job on a thread of its own looks a user up now and then, and a worker is busy.
#[tokio::test]
async fn a_runtime_that_sleeps_or_is_blocked_keeps_no_other_waiting() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let (site, key) = store_and_key(&scene);
    let (wake, sleeps) = mpsc::channel::<()>();
    let (ready, is_ready) = mpsc::channel();
    let job = {
        let (site, key) = (site.clone(), key.clone());
        thread::spawn(move || {
            let runtime = runtime();
            runtime.block_on(site.load(&key)).unwrap();
            // A query is in flight while the thread does something else.
            let lookup = runtime.spawn(async move { site.load(&key).await });
            runtime.block_on(tokio::task::yield_now());
            ready.send(()).unwrap();
            sleeps.recv().unwrap();
            runtime.block_on(lookup).unwrap().unwrap();
        })
    };
    is_ready.recv().unwrap();
    let start = Instant::now();
    for answer in join_all((0..50).map(|_| site.load(&key))).await {
        answer.unwrap();
    }
    assert!(start.elapsed() < TIMEOUT);
    wake.send(()).unwrap();
    job.join().unwrap();
}

/// A worker is busy, and was about to read which permissions there are.
#[tokio::test]
async fn a_worker_that_is_blocked_keeps_no_permission_from_others() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let (site, key) = store_and_key(&scene);
    let app = async |site: DjangoSite| {
        let shop = DjangoSessionMiddleware::login_required(site).permission_required("shop.ada");
        init_service(App::new().wrap(shop).default_service(web::to(HttpResponse::Ok))).await
    };
    let visit = {
        let cookie = format!("sessionid={}", key.as_str());
        move || TestRequest::get().insert_header((COOKIE, cookie.clone())).to_request()
    };
    let (wake, sleeps) = mpsc::channel::<()>();
    let (ready, is_ready) = mpsc::channel();
    let worker = {
        let (site, visit) = (site.clone(), visit.clone());
        thread::spawn(move || {
            runtime().block_on(async {
                let app = app(site).await;
                assert_eq!(call_service(&app, visit()).await.status(), 200);
                // The next one is known, and asks for all at once.
                let mut second = pin!(call_service(&app, visit()));
                assert!(poll!(second.as_mut()).is_pending());
                ready.send(()).unwrap();
                sleeps.recv().unwrap();
                assert_eq!(second.await.status(), 200);
            });
        })
    };
    is_ready.recv().unwrap();
    let app = app(site).await;
    assert_eq!(call_service(&app, visit()).await.status(), 200);
    wake.send(()).unwrap();
    worker.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_runtime_of_many_threads_is_one() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let (site, key) = store_and_key(&scene);
    let lookups = (0..200).map(|_| {
        let (site, key) = (site.clone(), key.clone());
        tokio::spawn(async move { site.load(&key).await })
    });
    for answer in join_all(lookups.collect::<Vec<_>>()).await {
        answer.unwrap().unwrap();
    }
    drop(site);
    no_connection_is_left(&scene).await;
}

#[tokio::test]
async fn neither_a_runtime_that_ended_nor_a_site_that_was_dropped_leaves_a_connection() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let (site, key) = store_and_key(&scene);
    for _ in 0..3 {
        let (site, key) = (site.clone(), key.clone());
        let answer = thread::spawn(move || runtime().block_on(site.load(&key)));
        answer.join().unwrap().unwrap();
    }
    no_connection_is_left(&scene).await;
    site.load(&key).await.unwrap();
    drop(site);
    no_connection_is_left(&scene).await;
}

/// The runtime that ran the check may never be polled again.
#[tokio::test]
async fn a_check_leaves_no_connection_behind_good_or_bad() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    for table in ["django_session", "no_such_table"] {
        let mut settings = settings();
        settings.session_table = table.into();
        let site = DjangoSite::new(pool(scene.database.url(), 4), settings).unwrap();
        let (done, is_done) = mpsc::channel::<()>();
        let (checked, is_checked) = mpsc::channel();
        let checker = thread::spawn(move || {
            let runtime = runtime();
            checked.send(runtime.block_on(site.check()).is_ok()).unwrap();
            is_done.recv().unwrap();
        });
        assert_eq!(is_checked.recv().unwrap(), table == "django_session");
        no_connection_is_left(&scene).await;
        done.send(()).unwrap();
        checker.join().unwrap();
    }
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let site = DjangoSite::new(pool("postgres://user@localhost/x", 1), settings()).unwrap();
    let key = SessionKey::new("12345678").unwrap();
    let answer = futures_util::FutureExt::now_or_never(site.load(&key)).unwrap();
    assert!(answer.unwrap_err().chain().to_string().contains("no Tokio runtime"));
}
