//! Connections die without a sign: a firewall forgets them, or another server takes over. Nothing is reset
//! or closed; what is sent is swallowed.

use std::time::{Duration, Instant};

use actix_django_session::{DjangoSite, SessionKey};
use testbed::{Proxy, With};

use crate::{
    alone,
    backends::Backends,
    beside_others,
    load::Load,
    scene::Scene,
    service::{Service, pool, settings},
    until,
};

/// Far longer than it takes to notice that connections have died.
const TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn connections_that_died_silently_fail_no_request() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let proxy = Proxy::before(scene.database.url()).await;
    let service = Service::start(pool(proxy.url(), 16), settings().with(|s| s.timeout = TIMEOUT));
    let load = Load::start(&service, &scene, 50);
    load.serve(1_000).await;
    for _ in 0..3 {
        let before = proxy.accepted();
        proxy.fall_silent();
        until("new connections are made", async || proxy.accepted() > before).await;
        load.serve(1_000).await;
    }
    let counts = load.stop("all connections swallowed three times").await;
    assert_eq!(counts.unavailable(), 0);
    assert!(counts.slowest() < TIMEOUT, "an answer took {:?}", counts.slowest());
}

/// Several connections for sessions have each answered, and all die in the same moment.
#[tokio::test]
async fn all_connections_of_a_kind_may_die_at_once() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let proxy = Proxy::before(scene.database.url()).await;
    let mut settings = settings();
    settings.timeout = TIMEOUT;
    let site = DjangoSite::new(pool(proxy.url(), 1), settings).unwrap();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    site.load(&key).await.unwrap();

    let mut admin = scene.client().await;
    let transaction = admin.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE django_session").await.unwrap();
    let backends = Backends::of(&scene).await;
    let asked = async |most| {
        until("one more is asked", async || backends.count().await > most).await;
    };
    // A caller that comes while others wait for a lock uses another connection.
    let (first, second, ()) = tokio::join!(
        site.load(&key),
        async {
            until("the first waits", async || backends.count_waiting().await > 0).await;
            site.load(&key).await
        },
        async {
            asked(1).await;
            transaction.rollback().await.unwrap();
        }
    );
    first.and(second).unwrap();
    proxy.fall_silent();
    site.load(&key).await.unwrap();
}

/// Until the new server answers, new connections do not work either.
#[tokio::test]
async fn after_a_failover_the_answers_are_right_within_one_timeout() {
    const TIMEOUT: Duration = Duration::from_secs(4);

    let _turn = alone().await;
    let scene = Scene::new().await;
    let proxy = Proxy::before(scene.database.url()).await;
    let service = Service::start(pool(proxy.url(), 16), settings().with(|s| s.timeout = TIMEOUT));
    let load = Load::start(&service, &scene, 50);
    load.serve(1_000).await;
    proxy.set_deaf(true);
    proxy.fall_silent();
    load.fail(50).await;
    proxy.set_deaf(false);
    let resumed = load.recover(Instant::now()).await;
    println!("failover: the last 503 came {resumed:?} after the new server answered");
    let counts = load.stop("failover").await;
    // And the delay of a busy machine.
    assert!(resumed < 2 * TIMEOUT, "{resumed:?}");
    assert!(counts.slowest() < 3 * TIMEOUT, "an answer took {:?}", counts.slowest());
}
