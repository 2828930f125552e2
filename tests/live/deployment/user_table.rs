//! A migration changes the user table while visitors send requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use testbed::{Django, Settings, With, until};
use tokio_postgres::{Client, NoTls};

use crate::{
    beds::{Bed, settings},
    probe::probe,
};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    actix_web::rt::spawn(connection);
    client
}

/// Whether a connection waits for a lock on the table.
async fn is_waited_for(bed: &Bed) -> bool {
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'auth_user'::regclass";
    bed.sql(waiting).await[0][0] != 0
}

/// Columns are added, dropped and change their type; no request fails.
#[testbed::test]
async fn a_migration_fails_no_request() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let app = Arc::new(probe(bed.site()));
    let ada = bed.login("ada").await;
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let visitors = (0..4).map(|_| {
        let (app, ada) = (Arc::clone(&app), ada.clone());
        let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
        async move {
            while !over.load(Ordering::SeqCst) {
                for path in ["/user", "/perms"] {
                    let status = app.status(path, &ada).await;
                    let expected = if path == "/user" { 200 } else { 403 };
                    assert_eq!(status, expected, "{path}");
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let migrations = async {
        for statement in [
            "ALTER TABLE auth_user ADD plan varchar(20) DEFAULT 'free' NOT NULL",
            "ALTER TABLE auth_user ALTER username TYPE varchar(254)",
            "ALTER TABLE auth_user ALTER username TYPE text",
            "ALTER TABLE auth_user ALTER id TYPE bigint",
            "CREATE INDEX ON auth_user (last_name)",
            "ALTER TABLE auth_user DROP first_name",
            "ALTER TABLE auth_user DROP plan",
            "ALTER TABLE auth_user ADD plan text",
        ] {
            let before = answered.load(Ordering::SeqCst);
            bed.sql(statement).await;
            until("visitors came after it", async || answered.load(Ordering::SeqCst) > before + 8)
                .await;
        }
        over.store(true, Ordering::SeqCst);
    };
    futures_util::join!(join_all(visitors), migrations);
}

/// A migration that waits for its lock blocks all visitors; `lock_timeout` prevents that.
#[testbed::test]
async fn a_migration_that_waits_for_a_lock_is_an_outage() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let timeout = Duration::from_millis(500);
    let app = probe(bed.site_with(settings().with(|s| s.timeout = timeout)));
    let patient = probe(bed.site_with(settings().with(|s| s.timeout = Duration::from_secs(60))));
    let ada = bed.login("ada").await;
    until("the tables are known", async || app.status("/user", &ada).await == 200).await;
    assert_eq!(patient.status("/user", &ada).await, 200);

    // A long transaction has read the table.
    let report = connect(bed.url()).await;
    report.batch_execute("BEGIN; SELECT count(*) FROM auth_user").await.unwrap();
    let migration = connect(bed.url()).await;
    {
        let alter = migration.batch_execute("ALTER TABLE auth_user ADD plan text");
        let mut alter = std::pin::pin!(alter);
        let seen = async {
            until("the migration waits", async || is_waited_for(&bed).await).await;
            let answer = app.get("/user", &ada).await;
            assert_eq!((answer.status, answer.header("retry-after").as_deref()), (503, Some("1")));
            assert_eq!(app.get_without_cookie("/who").await.status, 200);
            assert_eq!(app.get_without_cookie("/user").await.status, 302);
        };
        tokio::select! {
            done = &mut alter => panic!("it did not wait: {done:?}"),
            () = seen => {}
        }
        // The long transaction ends, then the migration, then the wait of the visitors.
        report.batch_execute("COMMIT").await.unwrap();
        alter.await.unwrap();
    }
    until("visitors are served", async || app.status("/user", &ada).await == 200).await;

    // With a `lock_timeout` the migration gives up before the visitors' own timeout.
    report.batch_execute("BEGIN; SELECT count(*) FROM auth_user").await.unwrap();
    migration.batch_execute("SET lock_timeout = '300ms'").await.unwrap();
    let alter = migration.batch_execute("ALTER TABLE auth_user ADD other text");
    let (altered, ()) = futures_util::join!(alter, async {
        until("the migration waits", async || is_waited_for(&bed).await).await;
        assert_eq!(patient.status("/user", &ada).await, 200);
    });
    assert_eq!(altered.unwrap_err().code().unwrap().code(), "55P03");
    report.batch_execute("COMMIT").await.unwrap();
    migration.batch_execute("ALTER TABLE auth_user ADD other text").await.unwrap();
    assert_eq!(patient.status("/user", &ada).await, 200);
}
