//! The latency of one kind of question, and the time after which a second connection is asked (hedging).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A question is hedged after this many times its usual latency.
const TIMES: u32 = 8;

/// The shortest time before a hedge: a process that waits for a processor pauses that long. For a long
/// timeout, which allows for a slow database, it is at least this fraction of the timeout.
const SHORTEST: Duration = Duration::from_millis(100);
const PART: u32 = 40;

/// A database whose answers take longer than this is far away.
const NEAR: Duration = Duration::from_micros(500);

/// How long answers take. Updates are not atomic: two threads may lose one value, which does no harm.
#[derive(Default)]
pub(super) struct Latency {
    /// The longest recent latency, in microseconds. It decays.
    longest: AtomicU64,
    /// The shortest recent latency, in microseconds. It grows slowly.
    shortest: AtomicU64,
}

impl Latency {
    pub(super) fn answered(&self, took: Duration) {
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
    pub(super) fn hedge_after(&self, retry_interval: Duration, timeout: Duration) -> Duration {
        let longest = Duration::from_micros(self.longest.load(Ordering::Relaxed));
        let shortest = shortest_hedge_delay(retry_interval, timeout);
        let hedge_after = longest.saturating_mul(TIMES).clamp(shortest, retry_interval);
        // A database that has taken longer than that before is slow, not dead.
        hedge_after.max(longest.saturating_mul(2).min(timeout / 2))
    }

    /// Whether the round trip takes longer than the work of the database.
    pub(super) fn is_far(&self) -> bool {
        Duration::from_micros(self.shortest.load(Ordering::Relaxed)) > NEAR
    }
}

/// The shortest time before a hedge, whatever the latency is.
pub(super) fn shortest_hedge_delay(retry_interval: Duration, timeout: Duration) -> Duration {
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
