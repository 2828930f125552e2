//! Every lookup finds its rows by an index, in large tables too. PostgreSQL counts the reads.

use actix_django_session::{DjangoSessionMiddleware, DjangoSessionMut, Error, SessionKey};
use actix_web::{App, test, test::TestRequest, web};
use futures_util::future::join_all;
use serde_json::Value;
use testbed::{Django, Settings, until};
use tokio::time::{Duration, advance, pause, resume};

use crate::beds::{Bed, settings};

/// A bed whose session table is never analysed.
async fn bed() -> Bed {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    bed.sql("ALTER TABLE django_session SET (autovacuum_enabled = off)").await;
    bed.sql("TRUNCATE django_session").await;
    bed
}

async fn fill(bed: &Bed, rows: u32) {
    bed.sql(&format!(
        "INSERT INTO django_session SELECT md5(i::text), repeat(md5(i::text), 7), \
         now() + i * interval '1 second' FROM generate_series(1, {rows}) i"
    ))
    .await;
}

/// How many rows were read by scans of the whole table, and how many by an index. PostgreSQL counts the
/// reads of a connection when it ends.
async fn reads(bed: &Bed) -> [i64; 2] {
    bed.sql("SELECT pg_stat_force_next_flush()").await;
    until("all other connections are closed", async || {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        bed.sql(others).await[0][0] == 0
    })
    .await;
    let read = "SELECT sum(seq_tup_read)::bigint, sum(idx_tup_fetch)::bigint \
        FROM pg_stat_user_tables WHERE relname = 'django_session'";
    let rows = bed.sql(read).await;
    [0, 1].map(|column| rows[0][column].as_i64().unwrap())
}

/// All other connections, each with the time of its start.
async fn connections(bed: &Bed) -> Value {
    bed.sql(
        "SELECT pid, backend_start FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
    .await
    .clone()
}

/// Looks up one session alone, and several at once.
async fn look_up(site: &actix_django_session::DjangoSite) {
    let missing = |n: u32| SessionKey::new(format!("no-session-has-{n}")).unwrap();
    for count in [1, 8, 40] {
        let keys: Vec<_> = (0..count).map(missing).collect();
        for found in join_all(keys.iter().map(|key| site.load(key))).await {
            assert!(matches!(found, Err(Error::SessionNotFound)), "{found:?}");
        }
    }
}

/// PostgreSQL plans a prepared statement once, for the size that the table has at that time.
#[testbed::test]
async fn a_query_plan_for_an_empty_table_is_replaced() {
    let bed = bed().await;
    // The state after a vacuum of a new table: it is so empty that PostgreSQL plans no index scan.
    bed.sql("VACUUM ANALYZE django_session").await;
    let site = bed.site();
    look_up(&site).await;
    let before = connections(&bed).await;
    fill(&bed, 50_000).await;
    pause();
    advance(Duration::from_secs(31)).await;
    resume();
    for _ in 0..10 {
        look_up(&site).await;
    }
    assert_eq!(connections(&bed).await, before, "the connections are the same");
    drop(site);
    let [all, _] = reads(&bed).await;
    assert_eq!(all, 0, "rows that were read by scans of the whole table");
}

#[testbed::test]
async fn every_statement_uses_an_index_whether_the_table_was_analysed_or_not() {
    for analysed in [false, true] {
        let bed = bed().await;
        fill(&bed, 100_000).await;
        if analysed {
            bed.sql("ANALYZE django_session").await;
        }
        let [all_before, _] = reads(&bed).await;
        let mut writes = settings();
        writes.write_sessions = true;
        writes.session_save_every_request = true;
        let site = bed.site_with(writes);
        look_up(&site).await;

        let service = App::new()
            .wrap(DjangoSessionMiddleware::optional(site.clone()))
            .route("/read", web::get().to(async |_: DjangoSessionMut| "read"))
            .route("/change", web::get().to(change))
            .route("/cycle", web::get().to(cycle))
            .route("/flush", web::get().to(flush));
        let service = test::init_service(service).await;
        let mut keys = Vec::new();
        for _ in 0..8 {
            let key = bed.session(r#"{"a":1}"#).await;
            keys.push(key);
        }
        for path in ["/read", "/change", "/cycle"] {
            let requests = keys.iter().map(|key| {
                let cookie = ("Cookie", format!("sessionid={key}"));
                TestRequest::get().uri(path).insert_header(cookie).to_request()
            });
            let answers = join_all(requests.map(|req| test::call_service(&service, req))).await;
            for (answer, key) in answers.into_iter().zip(&mut keys) {
                assert_eq!(answer.status(), 200, "{path}");
                let cookie = answer.response().cookies().next().expect(path).into_owned();
                cookie.value().clone_into(key);
            }
        }
        for key in &keys {
            let cookie = ("Cookie", format!("sessionid={key}"));
            let req = TestRequest::get().uri("/flush").insert_header(cookie).to_request();
            assert_eq!(test::call_service(&service, req).await.status(), 200);
        }
        drop((service, site));
        let [all, _] = reads(&bed).await;
        assert_eq!(all - all_before, 0, "analysed: {analysed}");
    }
}

async fn change(session: DjangoSessionMut) -> Result<&'static str, Error> {
    session.insert("b", &2)?;
    Ok("changed")
}

async fn cycle(session: DjangoSessionMut) -> &'static str {
    session.cycle_key();
    "cycled"
}

async fn flush(session: DjangoSessionMut) -> &'static str {
    session.flush();
    "flushed"
}
