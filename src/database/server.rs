//! The server: what all connections of a site have in common.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use deadpool_postgres::Pool;

use super::{
    kind::Kind,
    latency::{Latency, shortest_hedge_delay},
};

/// After how many lost statements a site stops preparing statements.
const LOST_STATEMENTS: usize = 2;

/// The database that the application's pool names, and what was learned about it.
pub(crate) struct Server {
    /// Only its manager is used: it has the host, the credentials and the TLS connector.
    pub(super) pool: Pool,
    timeout: Duration,
    prepares: AtomicBool,
    lost_statements: AtomicUsize,
    has_pooler: AtomicBool,
    latencies: [Latency; Kind::ALL.len()],
}

impl Server {
    /// `timeout` is that of the settings; `prepares` says whether statements are prepared.
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

    /// Records the round trip of a new connection.
    pub(super) fn reached(&self, round_trip: Duration) {
        self.latencies.iter().for_each(|latency| latency.answered(round_trip));
    }

    /// How long a connection may be silent before the question is also asked on another one.
    pub(super) fn hedge_after(&self, kind: Kind) -> Duration {
        self.latency(kind).hedge_after(self.retry_interval(), self.timeout)
    }

    /// The pause between further attempts: a quarter of the timeout, from 20 milliseconds to a second. It
    /// is also the longest time before a hedge, unless answers usually take longer.
    pub(super) fn retry_interval(&self) -> Duration {
        (self.timeout / 4).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }

    /// How long a statement waits for a lock before the server fails it and the batch is queued again.
    /// That is shorter than the time before a hedge: a lock is not taken for a dead connection, and the
    /// connection serves others meanwhile.
    pub(super) fn lock_timeout(&self) -> Duration {
        shortest_hedge_delay(self.retry_interval(), self.timeout) / 2
    }

    pub(super) fn prepares(&self) -> bool {
        self.prepares.load(Ordering::Relaxed)
    }

    /// Records that the server did not know a prepared statement, or ran another one under its name.
    pub(super) fn statement_lost(&self) {
        let lost = self.lost_statements.fetch_add(1, Ordering::Relaxed) + 1;
        if lost >= LOST_STATEMENTS && self.prepares.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "prepared statements keep getting lost, as behind a pooler in transaction mode: \
                 going on without them, as without `DjangoSettings::prepared_statements`"
            );
        }
    }

    /// Records that a pooler is in front of the database: a connection does not lead to the process that
    /// it named.
    pub(super) fn found_pooler(&self) {
        // If the settings turn preparing off, the reason need not be logged.
        if !self.has_pooler.swap(true, Ordering::Relaxed) && self.prepares() {
            tracing::warn!(
                "there is a pooler in front of the database: going on without prepared statements, \
                 as without `DjangoSettings::prepared_statements`"
            );
        }
    }

    /// How long a query may be silent before its connection counts as dead. The server ends a query that
    /// takes too long and says so. Behind a pooler it cannot be told to; there, processes left behind
    /// should be rare, so this is longer.
    pub(super) fn longest_silence(&self) -> Duration {
        if self.has_pooler.load(Ordering::Relaxed) {
            return self.timeout.saturating_mul(20);
        }
        self.timeout.saturating_add(2 * self.retry_interval())
    }
}
