//! The bound on connections, and that it is enough for all.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use actix_django_session::{DjangoSite, Expiry, SessionData, SessionKey};
use deadpool_postgres::{Config, Runtime};
use futures_util::future::{join, join_all};
use testbed::{Postgres, With};
use tokio::time::sleep;
use tokio_postgres::NoTls;

use crate::{
    TEST_TIMEOUT,
    backends::Backends,
    beside_others,
    load::Load,
    scene::{Scene, connect},
    service::{Service, patient, pool, routes, settings},
    until,
};

/// How long few connections serve many workers.
const LASTS: Duration = Duration::from_secs(20);

/// With fewer connections than workers, workers give up those that they do not need.
#[tokio::test]
async fn eight_workers_with_four_connections_answer_everything() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let pool = pool(scene.database.url(), 1);
    let site = DjangoSite::new(pool.clone(), patient().with(|s| s.max_connections = 4)).unwrap();
    let service = Service::with_workers(8, pool, routes(site));
    let load = Load::start(&service, &scene, 64);
    let backends = Backends::of(&scene).await;
    let start = Instant::now();
    while start.elapsed() < LASTS {
        load.serve(100).await;
        // The process of a connection that was closed a moment ago may still be there.
        until("four are left", async || backends.count().await <= 4).await;
    }
    let counts = load.stop("four connections for eight workers").await;
    assert_eq!(counts.unavailable(), 0);
}

/// The server has no more connections for the role: a worker that has one gives it to another.
#[tokio::test]
async fn a_role_with_few_connections_serves_every_worker() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    let name = format!("few_of_{}", scene.database.name());
    let role = format!(
        "CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'secret'; \
                        ALTER ROLE {name} NOSUPERUSER CONNECTION LIMIT 3; \
                        GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"
    );
    admin.batch_execute(&role).await.unwrap();
    let (_, place) = scene.database.url().split_once('@').unwrap();
    let pool = pool(&format!("postgres://{name}:secret@{place}"), 1);
    let site = DjangoSite::new(pool.clone(), patient()).unwrap();
    let service = Service::with_workers(8, pool, routes(site));
    let load = Load::start(&service, &scene, 64);
    load.serve(1_000).await;
    let counts = load.stop("a role with three connections for eight workers").await;
    assert_eq!(counts.unavailable(), 0);
}

/// No timeout ends a commit that waits for a standby, and it does not notice that its client has gone.
#[tokio::test]
async fn the_bound_holds_while_a_standby_is_gone() {
    const MAX_CONNECTIONS: usize = 4;
    const TIMEOUT: Duration = Duration::from_secs(1);

    let _turn = beside_others().await;
    let postgres = Postgres::start().await.unwrap();
    let scene = Scene::on(&postgres).await;
    let mut settings = settings();
    settings.write_sessions = true;
    settings.timeout = TIMEOUT;
    settings.max_connections = MAX_CONNECTIONS;
    let site = DjangoSite::new(pool(scene.database.url(), 1), settings).unwrap();
    let data = SessionData::new();
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    site.create(&data, Expiry::Default).await.unwrap();
    let admin = scene.client().await;
    let set = async |how: &str| {
        admin.batch_execute(&format!("ALTER SYSTEM {how}")).await.unwrap();
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    };
    set("SET synchronous_standby_names = 'gone'").await;
    let backends = Backends::of(&scene).await;
    until("commits wait", async || site.create(&data, Expiry::Default).await.is_err()).await;

    let (stop, failed) = (Cell::new(false), Cell::new(0));
    let write = async || {
        while !stop.get() {
            let stored = site.create(&data, Expiry::Default).await.is_ok();
            failed.set(failed.get() + u64::from(!stored));
            sleep(Duration::from_millis(20)).await;
        }
    };
    let watch = async {
        let mut most = 0;
        // Long enough to abandon each write in flight several times.
        for _ in 0..40 {
            sleep(TIMEOUT / 4).await;
            most = most.max(backends.count_waiting().await);
            site.load(&key).await.expect("a read does not wait");
        }
        stop.set(true);
        most
    };
    let (_, most) = join(join_all((0..8).map(|_| write())), watch).await;
    println!("no standby: {} writes failed, at most {most} backends waited", failed.get());
    assert!(failed.get() > 8);
    // One connection is reserved to end abandoned processes.
    assert!((1..MAX_CONNECTIONS).contains(&most), "{most} backends waited");

    set("RESET synchronous_standby_names").await;
    let since = Instant::now();
    until("writes go on", async || site.create(&data, Expiry::Default).await.is_ok()).await;
    assert!(since.elapsed() < TEST_TIMEOUT);
}

/// The name shows in `pg_stat_activity` whose connections they are.
#[tokio::test]
async fn connections_have_the_name_of_the_crate_unless_they_have_another_one() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = connect(scene.database.url()).await;
    let key = SessionKey::new(scene.user().key.clone().unwrap()).unwrap();
    for (given, name) in [(None, "actix-django-session"), (Some("shop"), "shop")] {
        let config = Config {
            url: Some(scene.database.url().into()),
            application_name: given.map(str::to_owned),
            ..Config::default()
        };
        let pool = config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap();
        let site = DjangoSite::new(pool, settings()).unwrap();
        site.load(&key).await.unwrap();
        let sql = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name = $1";
        let count: i64 = admin.query_one(sql, &[&name]).await.unwrap().get(0);
        assert_eq!(count, 1, "{name}");
    }
}
