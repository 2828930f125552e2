//! Sessions that have expired, deleted as `manage.py clearsessions` deletes them, but in parts.

use std::time::{Duration, SystemTime};

use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::{Database, kind::Kind, wait_queue::Claim};
use crate::error::{Error, Unavailable};

/// How many rows go at once: so few that they are soon deleted where each has to be read from a disk.
const AT_ONCE: i64 = 1_000;

/// Before any other moment.
const BEGINNING: &str = "-infinity";

/// How long one part may take. It is no visitor who waits: without an index on `expire_date` each part
/// reads the whole table.
const LONGEST: Duration = Duration::from_secs(600);

/// Where few rows seem to have expired, as in a table that was never analysed, the server would find
/// them all and sort them, for each part. By the index they come in order. A sort that there has to
/// be all the same counts as dear, and is not to be compiled for that. And nobody waits for the disk:
/// what a crash brings back has expired, and is deleted next time.
const SETTINGS: &str = "SET LOCAL enable_sort = off; SET LOCAL lock_timeout = 0; \
    SET LOCAL plan_cache_mode = auto; \
    SET LOCAL jit = off; SET LOCAL synchronous_commit = off; \
    SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'";

impl Database {
    /// Deletes the rows that ended before this moment; says how many.
    pub(crate) async fn clear_expired(&self, now: SystemTime) -> Result<u64, Error> {
        let sql = sql(&self.settings().session_table.quoted());
        // It is not released after an error: it may be in the middle of a transaction.
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

/// What became of one part.
struct Part {
    deleted: i64,
    found: i64,
    /// The latest end of what was found.
    last: Option<String>,
}

impl Part {
    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { deleted: row.try_get(0)?, found: row.try_get(1)?, last: row.try_get(2)? })
    }

    /// Where the next part begins, if there is more: where this one ended, since the index still has
    /// what was deleted until the next vacuum. A trigger may let no row go; then it goes no further.
    fn next(self, from: &str) -> Option<String> {
        let last = self.last.filter(|_| self.found >= AT_ONCE)?;
        (self.deleted > 0 || last != from).then_some(last)
    }
}

/// One part. It locks what it deletes, and passes over what others have locked: another
/// `clear_expired` and Django's own delete those rows themselves, a request that changes one may give
/// it another end. So it waits for no row, and nobody waits in a circle.
///
/// `IS TRUE`, so that rows are found by their keys, and the end is looked at again only in them: it
/// is not the key alone that says which row, where two may have the same.
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
