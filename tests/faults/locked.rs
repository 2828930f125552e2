//! A migration locks a table for longer than a lookup may take.

use std::time::{Duration, Instant};

use actix_django_session::DjangoSettings;
use testbed::With;

use crate::{
    alone,
    backends::Backends,
    beside_others,
    load::Load,
    scene::Scene,
    service::{Service, pool, settings},
    until,
};

/// `max_connections` of a service with a locked table: fewer than its two workers would use.
pub(crate) const MAX_CONNECTIONS: usize = 8;

/// How many processes may wait for the lock: one connection is reserved to end abandoned ones.
pub(crate) const MOST_WAITING: usize = MAX_CONNECTIONS - 1;

/// Longer than the machine ever stops: a query without an answer for that long waits for a lock.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn few_connections() -> DjangoSettings {
    settings().with(|s| (s.timeout, s.max_connections) = (TIMEOUT, MAX_CONNECTIONS))
}

/// A backend that waits for a lock does not notice that its client has gone. If such backends were left
/// behind, a long migration would use up the connections of the whole server.
#[tokio::test]
async fn a_locked_table_means_503_and_no_heap_of_waiting_backends() {
    let _turn = alone().await;
    let scene = Scene::new().await;
    let service = Service::start(pool(scene.database.url(), 4), few_connections());
    let load = Load::start(&service, &scene, 200);
    load.serve(1_000).await;

    let most = Backends::of(&scene).await.most_while_locked(&scene, &load, 5).await;
    let resumed = load.recover(Instant::now()).await;
    println!(
        "locked: at most {most} backends waited; the last 503 came {resumed:?} after the lock"
    );
    load.stop("table locked").await;
    assert!(most <= MOST_WAITING, "{most} backends waited");
}

/// The query that all lookups of users need first must not make them wait for one another.
#[tokio::test]
async fn the_first_lookups_of_a_locked_user_table_do_not_wait_for_one_another() {
    let _turn = alone().await;
    let scene = Scene::new().await;
    let service =
        Service::start(pool(scene.database.url(), 4), settings().with(|s| s.timeout = TIMEOUT));
    let mut admin = scene.client().await;
    let transaction = admin.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE auth_user").await.unwrap();
    let load = Load::of(&service, &[scene.user().clone()], &["/login_required"], 100);
    load.fail(100).await;
    transaction.commit().await.unwrap();
    load.recover(Instant::now()).await;
    let counts = load.stop("user table locked from the start").await;
    assert!(counts.slowest() < 10 * TIMEOUT, "an answer took {:?}", counts.slowest());
}

/// Pages that need only the session do not wait for those that need the user.
#[tokio::test]
async fn a_locked_user_table_does_not_delay_pages_that_need_only_the_session() {
    // A lookup that waited for the lock would fail after this long.
    const TIMEOUT: Duration = Duration::from_secs(20);

    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let service =
        Service::start(pool(scene.database.url(), 4), settings().with(|s| s.timeout = TIMEOUT));
    let (users, sessions) = (&["/login_required"], &["/required", "/optional"]);
    let load = Load::start(&service, &scene, 20);
    load.serve(200).await;
    load.stop("before the lock").await;

    let mut admin = scene.client().await;
    let transaction = admin.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE auth_user").await.unwrap();
    let locked_out = Load::of(&service, &[scene.user().clone()], users, 20);
    let others = Load::of(&service, &scene.visitors, sessions, 20);
    let backends = Backends::of(&scene).await;
    until("lookups wait for the table", async || backends.count_waiting().await >= 2).await;
    others.serve(500).await;
    let counts = others.stop("the user table is locked, and only the session is read").await;
    assert_eq!(counts.unavailable(), 0);
    transaction.commit().await.unwrap();
    locked_out.recover(Instant::now()).await;
    locked_out.stop("the user table is locked").await;
}
