//! Sessions that have expired, deleted as `manage.py clearsessions` deletes them, but in parts.

use std::time::{Duration, SystemTime};

use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::{
    Database,
    kind::{Claim, Kind},
};
use crate::error::{Error, Unavailable};

/// How many rows are deleted at once: few enough to be quick even if each is read from a disk.
const AT_ONCE: i64 = 1_000;

/// The earliest timestamp.
const BEGINNING: &str = "-infinity";

/// How long one part may take. No visitor waits for it: without an index on `expire_date`, each part reads
/// the whole table. Before a vacuum, the first part of a run also reads the index entries of all rows that
/// the run before has deleted: 15 seconds for a million on a busy machine.
const LONGEST: Duration = Duration::from_secs(600);

/// If few rows seem to have expired, as in a table that was never analysed, the server would find and sort
/// all of them for each part. The index returns them in order, so sorting is made expensive. If a sort is
/// needed all the same, its high cost must not start the JIT compiler. The commit does not wait for the
/// disk: rows that a crash brings back have expired, and are deleted the next time.
const SETTINGS: &str = "SET LOCAL enable_sort = off; SET LOCAL lock_timeout = 0; \
    SET LOCAL plan_cache_mode = auto; \
    SET LOCAL jit = off; SET LOCAL synchronous_commit = off; \
    SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'";

impl Database {
    /// Deletes the rows whose `expire_date` is before this moment. Returns how many.
    pub(crate) async fn clear_expired(&self, now: SystemTime) -> Result<u64, Error> {
        let sql = sql(&self.settings().session_table.quoted());
        // After an error it is not released, because it may be in the middle of a transaction.
        let timeout = self.settings().timeout;
        let lease = tokio::time::timeout(timeout, self.pool.get(Kind::Jobs, Claim::First)).await;
        let lease = lease.map_err(|_| Unavailable::NoConnection(timeout))??;
        let mut cleared = 0;
        let mut from = BEGINNING.to_owned();
        loop {
            let parameters: [(&(dyn ToSql + Sync), _); 2] =
                [(&now, Type::TIMESTAMPTZ), (&from, Type::TEXT)];
            let rows = lease.transaction(SETTINGS, LONGEST, &sql, &parameters).await?;
            let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
            let part = Part::of(row).map_err(Unavailable::from)?;
            cleared += part.deleted.unsigned_abs();
            match part.next(&from) {
                Some(next) => from = next,
                None => {
                    lease.release();
                    return Ok(cleared);
                }
            }
        }
    }
}

/// The result of one part.
struct Part {
    deleted: i64,
    found: i64,
    /// The latest `expire_date` that was found.
    last: Option<String>,
}

impl Part {
    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { deleted: row.try_get(0)?, found: row.try_get(1)?, last: row.try_get(2)? })
    }

    /// Where the next part begins, if there is more: at the end of this one, since the index still has the
    /// deleted rows until the next vacuum. If a trigger prevents all deletes, it stops.
    fn next(self, from: &str) -> Option<String> {
        let last = self.last.filter(|_| self.found >= AT_ONCE)?;
        (self.deleted > 0 || last != from).then_some(last)
    }
}

/// The statement for one part. It locks the rows that it deletes and skips rows that others have locked:
/// another `clear_expired` and Django's own delete those themselves, and a request that changes a row may
/// extend it. It waits for no row, so there is no deadlock.
///
/// `IS TRUE`: rows are found by their keys, and the end is checked again only in these rows. The key alone
/// does not identify a row where two rows may have the same.
fn sql(table: &str) -> String {
    format!(
        "WITH found AS (SELECT session_key, expire_date FROM {table} \
         WHERE expire_date < $1 AND expire_date >= $2::timestamptz \
         ORDER BY expire_date LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED), \
         deleted AS (DELETE FROM {table} WHERE (expire_date < $1) IS TRUE \
         AND session_key = ANY (ARRAY(SELECT session_key FROM found)) RETURNING 1) \
         SELECT (SELECT count(*) FROM deleted), count(*), max(expire_date)::text FROM found"
    )
}
