//! What all connections of a site have in common.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use deadpool_postgres::Pool;

use super::{
    kind::Kind,
    latency::{Latency, shortest_hedge_delay},
};

/// How many statements may get lost before a site goes on without them.
const LOST_STATEMENTS: usize = 2;

/// The database as the application's pool names it, and what was learned about it.
pub(crate) struct Server {
    /// Only its manager is used: it knows host, credentials and TLS.
    pub(super) pool: Pool,
    timeout: Duration,
    prepares: AtomicBool,
    lost_statements: AtomicUsize,
    has_pooler: AtomicBool,
    latencies: [Latency; Kind::ALL.len()],
}

impl Server {
    /// `timeout` is the `timeout`, `prepares` says whether statements are prepared.
    pub(crate) fn new(pool: Pool, timeout: Duration, prepares: bool) -> Self {
        Self {
            pool,
            timeout,
            prepares: prepares.into(),
            lost_statements: AtomicUsize::new(0),
            has_pooler: false.into(),
            latencies: Default::default(),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn latency(&self, kind: Kind) -> &Latency {
        &self.latencies[kind as usize]
    }

    /// A new connection took so long there and back.
    pub(super) fn reached(&self, round_trip: Duration) {
        self.latencies.iter().for_each(|latency| latency.answered(round_trip));
    }

    /// How long a connection may be silent before the same is asked on another one.
    pub(super) fn hedge_after(&self, kind: Kind) -> Duration {
        self.latency(kind).hedge_after(self.retry_interval(), self.timeout)
    }

    /// The most that one may be silent, unless answers usually take longer.
    pub(super) fn retry_interval(&self) -> Duration {
        (self.timeout / 4).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }

    /// How long a statement waits for a lock before it says so, and stands in line again: it says so before
    /// a second connection is asked, so a lock is not taken for a dead connection, and it leaves its own
    /// to others meanwhile.
    pub(super) fn lock_timeout(&self) -> Duration {
        shortest_hedge_delay(self.retry_interval(), self.timeout) / 2
    }

    pub(super) fn prepares(&self) -> bool {
        self.prepares.load(Ordering::Relaxed)
    }

    /// The server does not know a statement that it prepared, or another one has taken its name.
    pub(super) fn statement_lost(&self) {
        let lost = self.lost_statements.fetch_add(1, Ordering::Relaxed) + 1;
        if lost >= LOST_STATEMENTS && self.prepares.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "prepared statements keep getting lost, as behind a pooler in transaction mode: \
                 going on without them, as without `DjangoSettings::prepared_statements`"
            );
        }
    }

    /// A connection does not lead to the process that it was told of.
    pub(super) fn found_pooler(&self) {
        // Told not to prepare, nobody needs to hear why that is right.
        if !self.has_pooler.swap(true, Ordering::Relaxed) && self.prepares() {
            tracing::warn!(
                "there is a pooler in front of the database: going on without prepared statements, \
                 as without `DjangoSettings::prepared_statements`"
            );
        }
    }

    /// After how long without an answer there will be none. The server ends what took too long and says
    /// so. Behind a pooler it cannot be told to: there, a process left behind should be rare.
    pub(super) fn longest_silence(&self) -> Duration {
        if self.has_pooler.load(Ordering::Relaxed) {
            return self.timeout.saturating_mul(20);
        }
        self.timeout.saturating_add(2 * self.retry_interval())
    }
}
