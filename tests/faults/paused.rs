//! Futures that are alive and not polled, as `select!` leaves them: they stop no other.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use actix_django_session::{DjangoSite, DjangoUser, SessionKey};
use futures_util::future::join_all;
use testbed::With;
use tokio::time::sleep;

use crate::{
    beside_others,
    load::Connection,
    scene::Scene,
    service::{Service, pool, settings},
    until,
};

/// Far longer than an answer takes: a caller that waits that long was stopped.
const TIMEOUT: Duration = Duration::from_secs(20);

async fn store_and_key(scene: &Scene) -> (DjangoSite, SessionKey) {
    let mut settings = settings();
    settings.timeout = TIMEOUT;
    let site = DjangoSite::new(pool(scene.database.url(), 4), settings).unwrap();
    (site, SessionKey::new(scene.user().key.clone().unwrap()).unwrap())
}

async fn user(site: &DjangoSite, key: &SessionKey) -> DjangoUser {
    let session = site.load(key).await.unwrap();
    site.get_user(&session).await.unwrap()
}

/// Polls once. Returns whether it is still pending.
async fn is_pending<F: Future>(future: &mut Pin<Box<F>>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_paused_lookup_stops_no_other_and_finds_its_answer_later() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let (site, key) = store_and_key(&scene).await;
    // Before there is a connection, and with one.
    for _ in 0..2 {
        let start = Instant::now();
        let mut paused = Box::pin(site.load(&key));
        assert!(is_pending(&mut paused).await);
        let mut leaked = Box::pin(site.load(&key));
        assert!(is_pending(&mut leaked).await);
        std::mem::forget(leaked);
        for answer in join_all((0..50).map(|_| site.load(&key))).await {
            answer.unwrap();
        }
        paused.await.unwrap();
        assert!(start.elapsed() < TIMEOUT);
    }
}

/// A large answer that is not read.
#[tokio::test]
async fn paused_permissions_of_twenty_thousand_stop_no_other() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    let sql = "UPDATE auth_user SET is_superuser = true; \
        INSERT INTO auth_permission (name, content_type_id, codename) \
        SELECT 'n', (SELECT min(id) FROM django_content_type), 'perm_' || repeat('x', 80) || i \
        FROM generate_series(1, 20000) i";
    admin.batch_execute(sql).await.unwrap();
    let (site, key) = store_and_key(&scene).await;
    let start = Instant::now();
    let (one, other) = (user(&site, &key).await, user(&site, &key).await);
    let mut paused = Box::pin(one.permissions());
    assert!(is_pending(&mut paused).await);
    for answer in join_all((0..50).map(|_| site.load(&key))).await {
        answer.unwrap();
    }
    assert!(other.permissions().await.unwrap().len() > 20_000);
    assert!(paused.await.unwrap().len() > 20_000);
    assert!(start.elapsed() < TIMEOUT);
}

#[tokio::test]
async fn clones_of_a_user_do_not_wait_for_one_another() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let (site, key) = store_and_key(&scene).await;
    let user = user(&site, &key).await;
    let clone = user.clone();
    let start = Instant::now();
    let mut paused = Box::pin(clone.has_perm("shop.ada"));
    assert!(is_pending(&mut paused).await);
    assert!(user.has_perm("shop.ada").await.unwrap());
    assert!(start.elapsed() < TIMEOUT);
    assert!(paused.await.unwrap());
}

/// All waits of a request share one timeout: the permissions get what the session has left.
#[tokio::test]
async fn all_lookups_of_a_request_share_one_deadline() {
    const TIMEOUT: Duration = Duration::from_secs(4);

    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let service = |timeout| {
        Service::start(pool(scene.database.url(), 4), settings().with(|s| s.timeout = timeout))
    };
    let (service, control) = (service(TIMEOUT), service(TIMEOUT * 4 / 5));
    let cookie = scene.user().cookie();
    let mut visit = Connection::open(service.address).await.unwrap();
    let mut later = Connection::open(control.address).await.unwrap();
    for visit in [&mut visit, &mut later] {
        let answer = visit.get("/login_required", cookie.as_deref()).await.unwrap();
        assert_eq!(answer.status, 200);
    }

    let (mut first, mut second) = (scene.client().await, scene.client().await);
    let sessions = first.transaction().await.unwrap();
    sessions.batch_execute("LOCK TABLE django_session").await.unwrap();
    let permissions = second.transaction().await.unwrap();
    permissions.batch_execute("LOCK TABLE auth_permission").await.unwrap();
    visit.send("/login_required", cookie.as_deref()).await.unwrap();
    sleep(TIMEOUT * 3 / 4).await;
    sessions.rollback().await.unwrap();
    // The permissions have a quarter of a timeout left. With a whole one, they would end after the visit
    // that begins now, at a service with a shorter timeout.
    later.send("/login_required", cookie.as_deref()).await.unwrap();
    tokio::select! {
        biased;
        answer = visit.answer() => assert_eq!(answer.unwrap().status, 503),
        _ = later.answer() => panic!("the later visit has ended first"),
    }
    drop(permissions);
    until("it is right again", async || {
        let mut visit = Connection::open(service.address).await.unwrap();
        visit.get("/login_required", cookie.as_deref()).await.unwrap().status == 200
    })
    .await;
}
