//! How fast a database answers, and after how much more it counts as silent.

use std::time::Duration;

use super::Server;

/// How many times the usual is silence.
const TIMES: u32 = 8;

/// A shorter pause is none: a process that waits for a processor makes one. Of a timeout that allows
/// for a slow database it is at least this part.
const SHORTEST: Duration = Duration::from_millis(100);
const PART: u32 = 40;

/// How fast the database answers a lane.
pub(super) struct Tempo {
    share: Duration,
    timeout: Duration,
    /// The longest that answers took of late.
    usual: Duration,
}

impl Tempo {
    pub(super) fn new(server: &Server) -> Self {
        Self { share: server.share(), timeout: server.timeout(), usual: Duration::ZERO }
    }

    pub(super) fn answered(&mut self, took: Duration) {
        self.usual = took.max(self.usual - self.usual.saturating_sub(took) / 8);
    }

    /// How long a connection may be silent before the same is asked on another one.
    pub(super) fn patience(&self) -> Duration {
        let shortest = SHORTEST.max(self.timeout / PART).min(self.share);
        let patience = (TIMES * self.usual).clamp(shortest, self.share);
        // Who has taken longer than that is slow, not dead.
        patience.max((2 * self.usual).min(self.timeout / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tempo(timeout: u64) -> Tempo {
        let timeout = Duration::from_millis(timeout);
        Tempo { share: (timeout / 4).min(Duration::from_secs(1)), timeout, usual: Duration::ZERO }
    }

    #[test]
    fn silence_is_measured_by_what_is_usual() {
        for (timeout, usual, patience) in [
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
            let mut tempo = tempo(timeout);
            tempo.answered(Duration::from_millis(usual));
            let patience = Duration::from_millis(patience);
            assert_eq!(tempo.patience(), patience, "{usual} ms of {timeout}");
        }
    }

    #[test]
    fn one_slow_answer_is_forgotten_after_some_fast_ones() {
        let mut tempo = tempo(4_000);
        tempo.answered(Duration::from_secs(2));
        for _ in 0..50 {
            tempo.answered(Duration::from_millis(1));
        }
        assert_eq!(tempo.patience(), SHORTEST);
    }
}
