//! The server: what all connections of a site have in common.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use deadpool_postgres::Pool;

use super::kind::Kind;

/// After how many lost statements a site stops preparing statements.
const LOST_STATEMENTS: usize = 2;

/// A question is hedged after this many times its usual latency.
const TIMES: u32 = 8;

/// The shortest time before a hedge: a process that waits for a processor pauses that long. For a long
/// timeout, which allows for a slow database, it is at least this fraction of the timeout.
const SHORTEST: Duration = Duration::from_millis(100);
const PART: u32 = 40;

/// A database whose answers take longer than this is far away.
const NEAR: Duration = Duration::from_micros(500);

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

    /// Records how long an answer took.
    pub(super) fn answered(&self, kind: Kind, took: Duration) {
        self.latencies[kind as usize].answered(took);
    }

    /// Whether the round trip takes longer than the work of the database.
    pub(super) fn is_far(&self, kind: Kind) -> bool {
        self.latencies[kind as usize].is_far()
    }

    /// Records the round trip of a new connection.
    pub(super) fn reached(&self, round_trip: Duration) {
        self.latencies.iter().for_each(|latency| latency.answered(round_trip));
    }

    /// How long a connection may be silent before the question is also asked on another one.
    pub(super) fn hedge_after(&self, kind: Kind) -> Duration {
        self.latencies[kind as usize].hedge_after(self.retry_interval(), self.timeout)
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

/// How long answers take. Updates are not atomic: two threads may lose one value, which does no harm.
#[derive(Default)]
struct Latency {
    /// The longest recent latency, in microseconds. It decays.
    longest: AtomicU64,
    /// The shortest recent latency, in microseconds. It grows slowly.
    shortest: AtomicU64,
}

impl Latency {
    fn answered(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let longest = self.longest.load(Ordering::Relaxed);
        let longest = took.max(longest - longest.saturating_sub(took) / 8);
        self.longest.store(longest, Ordering::Relaxed);
        // A database may move further away: the shortest latency grows.
        let shortest = self.shortest.load(Ordering::Relaxed);
        let shortest = if shortest == 0 { took } else { shortest };
        let shortest = took.min(shortest + took.saturating_sub(shortest).div_ceil(64));
        self.shortest.store(shortest, Ordering::Relaxed);
    }

    /// How long a connection may be silent before the question is also asked on another one: at most the
    /// retry interval, unless answers usually take longer.
    fn hedge_after(&self, retry_interval: Duration, timeout: Duration) -> Duration {
        let longest = Duration::from_micros(self.longest.load(Ordering::Relaxed));
        let shortest = shortest_hedge_delay(retry_interval, timeout);
        let hedge_after = longest.saturating_mul(TIMES).clamp(shortest, retry_interval);
        // A database that has taken longer than that before is slow, not dead.
        hedge_after.max(longest.saturating_mul(2).min(timeout / 2))
    }

    /// Whether the round trip takes longer than the work of the database.
    fn is_far(&self) -> bool {
        Duration::from_micros(self.shortest.load(Ordering::Relaxed)) > NEAR
    }
}

/// The shortest time before a hedge, whatever the latency is.
fn shortest_hedge_delay(retry_interval: Duration, timeout: Duration) -> Duration {
    SHORTEST.max(timeout / PART).min(retry_interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hedge_after(latency: &Latency, timeout: u64) -> Duration {
        let timeout = Duration::from_millis(timeout);
        latency.hedge_after((timeout / 4).min(Duration::from_secs(1)), timeout)
    }

    #[test]
    fn a_query_is_slow_compared_with_what_is_usual() {
        for (timeout, usual, expected) in [
            (4_000, 0, 100),
            (4_000, 1, 100),
            (4_000, 50, 400),
            (4_000, 125, 1_000),
            (4_000, 500, 1_000),
            (4_000, 700, 1_400),
            (4_000, 3_000, 2_000),
            (20_000, 1, 500),
            (60_000, 1, 1_000),
            (200, 0, 50),
            (200, 150, 100),
        ] {
            let latency = Latency::default();
            latency.answered(Duration::from_millis(usual));
            let expected = Duration::from_millis(expected);
            assert_eq!(hedge_after(&latency, timeout), expected, "{usual} ms of {timeout}");
        }
    }

    #[test]
    fn one_slow_answer_is_forgotten_after_some_fast_ones() {
        let latency = Latency::default();
        latency.answered(Duration::from_secs(2));
        assert!(latency.is_far());
        for _ in 0..50 {
            latency.answered(Duration::from_micros(400));
        }
        assert_eq!(hedge_after(&latency, 4_000), SHORTEST);
        assert!(!latency.is_far());
    }

    #[test]
    fn a_database_that_moves_away_is_noticed() {
        let latency = Latency::default();
        latency.answered(Duration::from_micros(200));
        for _ in 0..500 {
            latency.answered(Duration::from_millis(5));
        }
        assert!(latency.is_far());
    }
}
