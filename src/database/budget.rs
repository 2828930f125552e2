//! How long one request waits for the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// As good as never, where a timeout is too long to be added to the clock.
const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 86_400);

/// How long one request may still wait for the database: one `timeout` over all that it reads, and
/// another one over all that it writes. What the handler does in between does not count. Clones share
/// it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// In microseconds.
    left: Arc<AtomicU64>,
}

impl Budget {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { left: Arc::new(micros(timeout).into()) }
    }

    /// Starts to wait. What is dropped later says how long it took.
    pub(crate) fn wait(&self) -> Wait<'_> {
        let since = Instant::now();
        let left = Duration::from_micros(self.left.load(Ordering::Relaxed));
        let deadline = since.checked_add(left).unwrap_or_else(|| since + FAR_AWAY);
        Wait { budget: self, since, deadline }
    }
}

/// While a request waits.
pub(crate) struct Wait<'a> {
    budget: &'a Budget,
    since: Instant,
    deadline: Instant,
}

impl Wait<'_> {
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn budget(&self) -> &Budget {
        self.budget
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let waited = micros(self.since.elapsed());
        let left = &self.budget.left;
        left.store(left.load(Ordering::Relaxed).saturating_sub(waited), Ordering::Relaxed);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_waits_of_a_request_share_one_timeout() {
        let budget = Budget::new(Duration::from_secs(5));
        let wait = budget.wait();
        tokio::time::advance(Duration::from_secs(3)).await;
        drop(wait);
        // The handler works.
        tokio::time::advance(Duration::from_secs(60)).await;
        let now = Instant::now();
        assert_eq!(budget.clone().wait().deadline() - now, Duration::from_secs(2));
    }

    #[test]
    fn a_timeout_may_be_longer_than_any_clock() {
        assert!(Budget::new(Duration::MAX).wait().deadline() > Instant::now() + FAR_AWAY / 2);
    }
}
