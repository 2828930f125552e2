//! Attempts to connect: how many run at a time, how long each may take, and when the next one begins after
//! a failure.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Id, time::Instant};
use tokio_postgres::error::SqlState;

use crate::error::Unavailable;

/// How long the oldest attempt of a site may take. An attempt that waits at a busy pooler, or finds that
/// the first of two hosts is gone, succeeds in that time.
const LONGEST: Duration = Duration::from_secs(30);

/// How many attempts a runtime makes for one connection while none of them ends.
const FOR_ONE: usize = 6;

/// The first pause after a failure. It doubles up to the retry interval.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// For how long a server counts as full after it said so.
const FULL: Duration = Duration::from_secs(10);

/// The attempts of one site.
pub(super) struct Attempts {
    timeout: Duration,
    retry_interval: Duration,
    making: Vec<Attempt>,
    numbers: u64,
    failures: u32,
    not_before: Option<Instant>,
    /// If the server is full: how many connections it had for this site, and until when that counts.
    full: Option<(usize, Instant)>,
    /// The longest recent time that making a connection took.
    slowest: Duration,
    /// Why the last attempt failed, if none has succeeded since.
    error: Option<Arc<Unavailable>>,
}

struct Attempt {
    number: u64,
    runtime: Id,
    since: Instant,
}

impl Attempts {
    pub(super) fn new(timeout: Duration, retry_interval: Duration) -> Self {
        Self {
            timeout,
            retry_interval,
            making: Vec::new(),
            numbers: 0,
            failures: 0,
            not_before: None,
            full: None,
            slowest: Duration::ZERO,
            error: None,
        }
    }

    /// Whether another attempt may begin on this runtime, whose waiters need `needed` connections.
    pub(super) fn may_begin(&self, runtime: Id, needed: usize, now: Instant) -> bool {
        if self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        let of_runtime = || self.making.iter().filter(|attempt| attempt.runtime == runtime);
        let count = of_runtime().count();
        let needed = if self.failures > 0 { 1 } else { needed };
        // An attempt that takes long is not waited for alone: the server that it connects to may be gone.
        let surplus = count.saturating_sub(needed);
        let newest = of_runtime().map(|attempt| attempt.since).max();
        let is_overdue = newest.is_some_and(|newest| now >= newest + self.spacing(surplus));
        count < needed || is_overdue && surplus + 1 < FOR_ONE
    }

    fn spacing(&self, surplus: usize) -> Duration {
        (self.retry_interval * (1 << surplus.min(8))).min(self.timeout.max(self.retry_interval))
    }

    pub(super) fn begin(&mut self, runtime: Id, now: Instant) -> u64 {
        self.numbers += 1;
        self.making.push(Attempt { number: self.numbers, runtime, since: now });
        self.numbers
    }

    /// Whether an attempt has taken so long that a later one is as good.
    pub(super) fn is_over(&self, number: u64, now: Instant) -> bool {
        let Some(attempt) = self.making.iter().find(|attempt| attempt.number == number) else {
            return true;
        };
        let is_oldest = self.making.first().is_some_and(|oldest| oldest.number == number);
        let usual = self.timeout.max(2 * self.slowest);
        let longest = if is_oldest { usual.max(LONGEST).max(2 * self.timeout) } else { usual };
        now >= attempt.since + longest
    }

    /// Forgets an attempt that has ended, whatever its outcome.
    pub(super) fn end(&mut self, number: u64) {
        self.making.retain(|attempt| attempt.number != number);
    }

    pub(super) fn succeeded(&mut self, number: u64, now: Instant) {
        let attempt = self.making.iter().find(|attempt| attempt.number == number);
        let took = attempt.map(|attempt| now - attempt.since).unwrap_or_default();
        self.end(number);
        self.slowest = took.max(self.slowest - self.slowest.saturating_sub(took) / 8);
        (self.failures, self.not_before, self.error) = (0, None, None);
    }

    /// Records a failure, while `count` connections were open or being made. Returns the error, and
    /// whether another attempt would fail for the same reason.
    pub(super) fn failed(
        &mut self,
        number: u64,
        now: Instant,
        error: Unavailable,
        count: usize,
    ) -> (Arc<Unavailable>, bool) {
        let code = match &error {
            Unavailable::Connection(error) => error.code(),
            _ => None,
        };
        let is_full = code == Some(&SqlState::TOO_MANY_CONNECTIONS);
        let is_final = !is_full && !code.is_some_and(is_starting_or_stopping);
        if is_full {
            // It has only these connections for the site.
            let open = count.saturating_sub(self.making.len());
            self.full = Some((open.max(1), now + FULL));
        }
        let pause = FIRST_PAUSE * (1 << self.failures.min(10));
        self.failures += 1;
        self.not_before = Some(now + pause.min(self.retry_interval));
        self.end(number);
        let error = Arc::new(error);
        self.error = Some(Arc::clone(&error));
        (error, is_final)
    }

    /// How many connections the server has for this site, if it has just said so.
    pub(super) fn most(&self, now: Instant) -> usize {
        self.full.filter(|(_, until)| now < *until).map_or(usize::MAX, |(most, _)| most)
    }

    pub(super) fn has_any(&self, runtime: Id) -> bool {
        self.making.iter().any(|attempt| attempt.runtime == runtime)
    }

    /// Why there is no connection, if an attempt has failed.
    pub(super) fn error(&self) -> Option<&Arc<Unavailable>> {
        self.error.as_ref()
    }

    /// When the waiters of this runtime look at the attempts again.
    pub(super) fn next_look(&self, runtime: Id, now: Instant) -> Instant {
        let of_runtime = self.making.iter().filter(|attempt| attempt.runtime == runtime);
        let newest = of_runtime.map(|attempt| attempt.since + self.retry_interval);
        let next = newest.max().filter(|at| *at > now).unwrap_or(now + self.retry_interval);
        self.not_before.filter(|at| *at > now).map_or(next, |at| at.min(next))
    }
}

/// Whether the server says that it will soon accept connections.
fn is_starting_or_stopping(code: &SqlState) -> bool {
    matches!(
        *code,
        SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN
    )
}
