//! `clear_expired`: in batches, by the index, and while others clear too.

use actix_django_session::DjangoSite;
use futures_util::future::join_all;
use serde_json::{Value, json};
use testbed::{Django, Settings, Site, With, until};

use crate::beds::{Bed, settings};

/// Fills the table with `rows` rows; the first `expired` of them have expired.
async fn fill(bed: &Bed, rows: u32, expired: u32) {
    bed.sql("TRUNCATE django_session").await;
    bed.sql(&format!(
        "INSERT INTO django_session SELECT md5(i::text), repeat(md5(i::text), 7), now() + \
         CASE WHEN i <= {expired} THEN -1 ELSE 1 END * ((i * 7 % 1000) + 1) * interval '1 hour' \
         FROM generate_series(1, {rows}) i ORDER BY md5(i::text)"
    ))
    .await;
}

fn site(bed: &Bed) -> DjangoSite {
    bed.site_with(settings().with(|s| s.write_sessions = true))
}

async fn number(bed: &Bed, sql: &str) -> i64 {
    let answer = bed.sql(sql).await;
    answer[0][0].as_i64().unwrap_or_else(|| panic!("{sql}: {answer}"))
}

/// How many rows were read by scans of the whole table, how many by an index, and how many pages of the
/// index on `expire_date` were read. PostgreSQL counts the reads of a connection when it ends.
async fn reads(bed: &Bed) -> [i64; 3] {
    bed.sql("SELECT pg_stat_force_next_flush()").await;
    until("all other connections are closed", async || {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        number(bed, others).await == 0
    })
    .await;
    let read = "SELECT sum(t.seq_tup_read)::bigint, sum(t.idx_tup_fetch)::bigint, \
        (SELECT sum(idx_blks_hit + idx_blks_read)::bigint FROM pg_statio_user_indexes \
        WHERE indexrelname LIKE '%expire_date%') FROM pg_stat_user_tables t \
        WHERE relname = 'django_session'";
    let rows = bed.sql(read).await;
    [0, 1, 2].map(|column| rows[0][column].as_i64().unwrap())
}

/// The statistics that PostgreSQL has of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistics {
    Missing,
    Right,
    /// They say that very few rows have expired.
    Old,
}

#[testbed::test]
async fn each_batch_reads_only_the_rows_that_it_deletes() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    bed.sql("ALTER TABLE django_session SET (autovacuum_enabled = off)").await;
    for (rows, statistics, expired) in [
        (100_000, Statistics::Missing, 50_000),
        (50_000, Statistics::Missing, 10_000),
        (100_000, Statistics::Right, 500),
        (100_000, Statistics::Right, 50_000),
        (50_000, Statistics::Old, 10_000),
    ] {
        let first = if statistics == Statistics::Old { 100 } else { expired };
        fill(&bed, rows, first).await;
        if statistics != Statistics::Missing {
            bed.sql("ANALYZE django_session").await;
        }
        bed.sql(&format!(
            "UPDATE django_session SET expire_date = expire_date - interval '1 year' WHERE \
             session_key IN (SELECT md5(i::text) FROM generate_series({first} + 1, {expired}) i)"
        ))
        .await;
        let before = reads(&bed).await;
        assert_eq!(site(&bed).clear_expired().await.unwrap(), u64::from(expired));
        let after = reads(&bed).await;
        let expired = i64::from(expired);
        let [all, by_index, pages] = [0, 1, 2].map(|column| after[column] - before[column]);
        let read = format!("{statistics:?}, {expired} of {rows}: {all}, {by_index}, {pages}");
        println!("{read}");
        assert_eq!(all, 0, "{read}");
        // Each row is read once by `expire_date` and once by its key. Changed rows have two versions.
        assert!((expired..=expired * 5 / 2 + 100).contains(&by_index), "{read}");
        assert!(pages <= expired / 20 + 100, "{read}");
        assert_eq!(
            number(&bed, "SELECT count(*) FROM django_session").await,
            i64::from(rows) - expired
        );
    }
}

#[testbed::test]
async fn without_the_index_all_expired_rows_are_deleted_too() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let index = bed
        .sql("SELECT indexname::text FROM pg_indexes WHERE indexdef LIKE '%(expire_date)%'")
        .await;
    bed.sql(&format!("DROP INDEX \"{}\"", index[0][0].as_str().unwrap())).await;
    fill(&bed, 10_000, 5_500).await;
    assert_eq!(site(&bed).clear_expired().await.unwrap(), 5_500);
    assert_eq!(number(&bed, "SELECT count(*) FROM django_session").await, 4_500);
    assert_eq!(site(&bed).clear_expired().await.unwrap(), 0);
}

#[testbed::test]
async fn several_services_and_django_can_clear_at_the_same_time() {
    for version in Django::available().unwrap() {
        let bed = Bed::start(version, Settings::default()).await;
        fill(&bed, 40_000, 39_000).await;
        let (url, with) = (bed.bed().database_url(), Settings::default());
        let mut command = Site::manage(version, url, &with).await.unwrap();
        command.arg("clearsessions");
        // Repeats, because Django's command needs time to start.
        let django = tokio::task::spawn_blocking(move || command.output().unwrap());
        let sites: Vec<_> = (0..4).map(|_| site(&bed)).collect();
        let mut cleared = 0;
        while !django.is_finished() || number(&bed, EXPIRED).await > 0 {
            let each = join_all(sites.iter().map(DjangoSite::clear_expired)).await;
            cleared += each.into_iter().map(Result::unwrap).sum::<u64>();
            if !django.is_finished() {
                bed.sql(AGAIN).await;
            }
        }
        let done = django.await.unwrap();
        assert!(done.status.success(), "{version}: {}", String::from_utf8_lossy(&done.stderr));
        assert!(cleared >= 30_000, "{version}: {cleared}");
        assert_eq!(number(&bed, "SELECT count(*) FROM django_session").await, 1_000, "{version}");
    }
}

const EXPIRED: &str = "SELECT count(*) FROM django_session WHERE expire_date < now()";

/// Inserts more expired rows.
const AGAIN: &str = "INSERT INTO django_session SELECT md5(random()::text), 'x', \
    now() - i * interval '1 second' FROM generate_series(1, 5000) i";

/// Another transaction changes an expired session: Django's save gives it a new `expire_date`.
#[testbed::test]
async fn locked_rows_are_skipped_and_revived_rows_stay() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    fill(&bed, 100, 60).await;
    let revived: Value = bed
        .sql(
            "SELECT session_key::text FROM django_session WHERE expire_date < now() \
             ORDER BY expire_date LIMIT 1",
        )
        .await;
    let revived = revived[0][0].as_str().unwrap().to_owned();
    let mut client = bed.pool().get().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let later = "UPDATE django_session SET expire_date = now() + interval '1 day' \
        WHERE session_key = $1";
    assert_eq!(transaction.execute(later, &[&revived]).await.unwrap(), 1);
    assert_eq!(site(&bed).clear_expired().await.unwrap(), 59);
    transaction.commit().await.unwrap();
    assert_eq!(site(&bed).clear_expired().await.unwrap(), 0);
    let row = bed.ask(json!({ "cmd": "get_row", "key": revived })).await;
    assert!(!row.is_null(), "{row}");
}

/// Settings that an administrator may have set for the database, and a slow server.
#[testbed::test]
async fn clearing_is_not_ended_by_the_lookup_timeout_or_database_settings() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let name = bed.bed().database().name().to_owned();
    for setting in [
        "statement_timeout = '300ms'",
        "default_transaction_isolation = 'serializable'",
        "plan_cache_mode = 'force_generic_plan'",
        "datestyle = 'SQL, DMY'",
        "timezone = 'Asia/Kolkata'",
    ] {
        bed.sql(&format!("ALTER DATABASE \"{name}\" SET {setting}")).await;
    }
    fill(&bed, 3_000, 2_500).await;
    // Each row is slow, so a batch takes longer than the timeout of a lookup.
    for statement in [
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_sleep(0.001); RETURN OLD; END'",
        "CREATE TRIGGER slow BEFORE DELETE ON django_session FOR EACH ROW EXECUTE FUNCTION slow()",
    ] {
        bed.sql(statement).await;
    }
    let mut hasty = settings();
    hasty.write_sessions = true;
    hasty.timeout = std::time::Duration::from_millis(500);
    assert_eq!(bed.site_with(hasty).clear_expired().await.unwrap(), 2_500);
}
