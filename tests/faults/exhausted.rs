//! The application's own queries use its pool as well.

use actix_django_session::{DjangoSite, SessionKey};
use deadpool_postgres::Pool;
use futures_util::{FutureExt, future::join_all};
use tokio::time::timeout;

use crate::{
    TEST_TIMEOUT, beside_others,
    load::Load,
    scene::Scene,
    service::{Service, patient, pool, settings},
};

/// Lookups have connections of their own.
#[tokio::test]
async fn an_exhausted_pool_delays_no_lookup() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let service = Service::start(pool(scene.database.url(), 4), patient());
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(timeout(TEST_TIMEOUT, service.pool.get()).await.unwrap().unwrap());
    }
    let load = Load::start(&service, &scene, 200);
    load.serve(2_000).await;
    let counts = load.stop("pool exhausted by the application").await;
    assert_eq!(counts.unavailable(), 0);
    assert_eq!(service.pool.status().size, 4);
}

#[tokio::test]
async fn lookups_take_nothing_from_the_application() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let service = Service::start(pool(scene.database.url(), 1), patient());
    let load = Load::start(&service, &scene, 200);
    load.serve(500).await;
    for _ in 0..200 {
        query(&service.pool).await;
    }
    let counts = load.stop("one connection for the application").await;
    assert_eq!(counts.unavailable(), 0);
}

/// The first callers may go away before there is an answer.
#[tokio::test]
async fn callers_that_hang_up_keep_no_other_waiting() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let site = DjangoSite::new(pool(scene.database.url(), 1), settings()).unwrap();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    for connected in [false, true] {
        let mut lookups: Vec<_> = (0..5).map(|_| Box::pin(site.load(&key))).collect();
        for lookup in &mut lookups {
            assert!(lookup.as_mut().now_or_never().is_none(), "connected: {connected}");
        }
        drop(lookups.remove(0));
        drop(lookups.remove(2));
        for session in timeout(TEST_TIMEOUT, join_all(lookups)).await.expect("no lookup went on") {
            assert_eq!(session.unwrap().user_id().unwrap().as_deref(), Some("1"));
        }
    }
}

async fn query(pool: &Pool) {
    let client = timeout(TEST_TIMEOUT, pool.get()).await.expect("starved").unwrap();
    client.query_one("SELECT 1", &[]).await.unwrap();
}
