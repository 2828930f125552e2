//! The application's own queries use the pool as well.

use std::time::{Duration, Instant};

use actix_django_session::{SessionKey, SessionStore};
use deadpool_postgres::Pool;
use futures_util::{FutureExt, future::join_all};
use tokio::time::timeout;

use crate::{
    PATIENCE,
    load::Load,
    scene::Scene,
    service::{Service, pool, settings},
    turn,
};

#[tokio::test]
async fn an_exhausted_pool_means_503_until_a_connection_is_free() {
    const TIMEOUT: Duration = Duration::from_millis(300);

    let _turn = turn().await;
    let scene = Scene::new().await;
    let service = Service::start(pool(scene.database.url(), 4), settings().lookup_timeout(TIMEOUT));
    let load = Load::start(&service, &scene, 200);
    load.serve(1_000).await;
    for round in 1..=2 {
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(timeout(PATIENCE, service.pool.get()).await.unwrap().unwrap());
        }
        load.fail(600).await;
        taken.pop();
        let resumed = load.recover(Instant::now()).await;
        println!("exhausted, round {round}: the last 503 came {resumed:?} after one was free");
    }
    let counts = load.stop("pool exhausted by the application").await;
    assert!(counts.slowest() < 10 * TIMEOUT, "an answer took {:?}", counts.slowest());
}

/// Lookups of a busy worker overlap, so its connection is never idle: it must be let go of all the
/// same, or the other worker and the application starve.
#[tokio::test]
async fn workers_and_application_take_turns_with_a_single_connection() {
    let _turn = turn().await;
    let scene = Scene::new().await;
    let settings = settings().lookup_timeout(Duration::from_secs(2));
    let service = Service::start(pool(scene.database.url(), 1), settings);
    let load = Load::start(&service, &scene, 200);
    let start = Instant::now();
    let mut queries = 0;
    while start.elapsed() < Duration::from_secs(4) {
        query(&service.pool).await;
        queries += 1;
    }
    let counts = load.stop(&format!("one connection for all, and {queries} other queries")).await;
    assert_eq!(counts.unavailable(), 0);
    assert!(queries > 10, "only {queries} other queries");
}

/// One lookup takes a connection out of the pool for all who need one. If its visitor goes away
/// meanwhile, another goes on.
#[tokio::test]
async fn who_hangs_up_first_keeps_nobody_waiting() {
    let _turn = turn().await;
    let scene = Scene::new().await;
    let pool = pool(scene.database.url(), 1);
    let store = SessionStore::new(pool.clone(), settings()).unwrap();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    let taken = pool.get().await.unwrap();
    let mut lookups: Vec<_> = (0..5).map(|_| Box::pin(store.load(&key))).collect();
    for lookup in &mut lookups {
        assert!(lookup.as_mut().now_or_never().is_none());
    }
    // The first one waits for the pool, the others wait for it.
    drop(lookups.remove(0));
    for lookup in &mut lookups {
        assert!(lookup.as_mut().now_or_never().is_none());
    }
    // Now it is the turn of the next.
    drop(lookups.remove(2));
    drop(lookups.remove(0));
    drop(taken);
    for session in timeout(PATIENCE, join_all(lookups)).await.expect("nobody went on") {
        assert_eq!(session.unwrap().user_id().unwrap().as_deref(), Some("1"));
    }
    assert_eq!(pool.status().available, 1);
}

async fn query(pool: &Pool) {
    let client = timeout(PATIENCE, pool.get()).await.expect("starved").unwrap();
    client.query_one("SELECT 1", &[]).await.unwrap();
}
