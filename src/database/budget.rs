//! Budgets: how long one request may wait for the database.

use std::{
    cell::OnceCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{task_local, time::Instant};

/// The deadline's distance if a timeout is too long to be added to the clock: thirty years.
const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 86_400);

task_local! {
    static OF_REQUEST: RequestBudgets;
}

/// The budgets of a request. They are made when the request first waits for the database.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestBudgets(OnceCell<Waits>);

/// How long a request has waited for its reads, and for its writes. Clones share both.
type Waits = Arc<[Mutex<Spent>; 2]>;

/// What a budget is for: an index of [`Waits`].
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Reads,
    Writes,
}

/// How long a task may still wait for the database: a `timeout`, less the time that it has waited already.
/// The time in which the handler does something else does not count. Waits that overlap count once.
/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    timeout: Duration,
    of: Waits,
    purpose: Purpose,
}

/// The part of a budget that is spent.
#[derive(Debug, Default)]
struct Spent {
    /// By waits that have ended.
    before: Duration,
    /// How many waits are under way.
    count: usize,
    /// When the first wait that is under way began.
    since: Option<Instant>,
}

/// Runs a future on the budgets of one request: those of an outer middleware if there is one.
pub(crate) fn in_request<F: Future>(answer: F) -> impl Future<Output = F::Output> {
    // Not an `async fn`: that would keep the answer's future, which is large, a second time.
    let budgets = RequestBudgets::of_outer().unwrap_or_default();
    OF_REQUEST.scope(budgets, answer)
}

impl RequestBudgets {
    /// The budgets of the request that the current task answers, for a middleware further in.
    fn of_outer() -> Option<Self> {
        OF_REQUEST.try_with(|outer| Self(OnceCell::from(outer.waits()))).ok()
    }

    fn waits(&self) -> Waits {
        Arc::clone(self.0.get_or_init(Arc::default))
    }

    /// Those of the request that the current task answers; new ones outside of a request.
    fn current_waits() -> Waits {
        OF_REQUEST.try_with(Self::waits).unwrap_or_default()
    }

    /// Runs one poll of a future on the budgets of one request, as [`in_request`] does. `self` keeps the
    /// budgets from one poll to the next.
    pub(crate) fn enter<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        if self.0.get().is_none()
            && let Some(outer) = Self::of_outer()
        {
            *self = outer;
        }
        let (polled, budgets) =
            OF_REQUEST.sync_scope(self.clone(), || (poll(), OF_REQUEST.with(Self::clone)));
        *self = budgets;
        polled
    }
}

impl Budget {
    /// What the request of the current task has left for reads; a whole `timeout` outside of a request.
    pub(crate) fn reading(timeout: Duration) -> Self {
        Self { timeout, of: RequestBudgets::current_waits(), purpose: Purpose::Reads }
    }

    /// What the request of the current task has left for writes; a whole `timeout` outside of a request.
    pub(crate) fn writing(timeout: Duration) -> Self {
        Self { timeout, of: RequestBudgets::current_waits(), purpose: Purpose::Writes }
    }

    /// A whole `timeout`, shared with no request.
    pub(crate) fn fresh(timeout: Duration) -> Self {
        Self { timeout, of: Waits::default(), purpose: Purpose::Reads }
    }

    /// The budget of a caller in the current task: this one while the task answers the request to which it
    /// belongs. A caller that outlives a request, such as a WebSocket, has a whole `timeout` each time.
    pub(crate) fn here(&self) -> Self {
        let is_current = OF_REQUEST
            .try_with(|current| current.0.get().is_some_and(|waits| Arc::ptr_eq(waits, &self.of)));
        if is_current.unwrap_or_default() { self.clone() } else { Self::fresh(self.timeout) }
    }

    /// Starts to wait. The wait ends when the result is dropped.
    pub(crate) fn wait(&self) -> Wait {
        let (now, mut spent) = (Instant::now(), self.spent());
        let since = *spent.since.get_or_insert(now);
        spent.count += 1;
        let left = self.timeout.saturating_sub(spent.before);
        let deadline = since.checked_add(left).unwrap_or_else(|| now + FAR_AWAY);
        drop(spent);
        Wait { budget: self.clone(), deadline }
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.of[self.purpose as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that is under way: it spends a budget until it is dropped.
pub(crate) struct Wait {
    budget: Budget,
    deadline: Instant,
}

impl Wait {
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut spent = self.budget.spent();
        spent.count -= 1;
        if spent.count == 0
            && let Some(since) = spent.since.take()
        {
            spent.before += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn left(budget: &Budget) -> Duration {
        budget.wait().deadline() - Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn all_waits_of_a_request_share_one_timeout() {
        let budget = Budget::reading(TIMEOUT);
        let wait = budget.wait();
        advance(Duration::from_secs(3)).await;
        drop(wait);
        // The handler works.
        advance(Duration::from_secs(60)).await;
        assert_eq!(left(&budget.clone()), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_that_overlap_count_once() {
        let budget = Budget::reading(TIMEOUT);
        let waits = [budget.wait(), budget.wait()];
        advance(Duration::from_secs(1)).await;
        let late = budget.wait();
        assert_eq!(late.deadline(), waits[0].deadline());
        drop(waits);
        advance(Duration::from_secs(1)).await;
        drop(late);
        assert_eq!(left(&budget), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_one_budget_to_read_and_one_to_write_and_others_have_their_own() {
        in_request(async {
            let wait = Budget::writing(TIMEOUT).wait();
            advance(Duration::from_secs(3)).await;
            drop(wait);
            assert_eq!(left(&Budget::reading(TIMEOUT)), TIMEOUT);
            assert_eq!(left(&Budget::writing(TIMEOUT)), Duration::from_secs(2));
            // A middleware within another one, whichever way it asks.
            let nested = in_request(async { left(&Budget::writing(TIMEOUT)) });
            assert_eq!(nested.await, Duration::from_secs(2));
            let nested = RequestBudgets::default().enter(|| left(&Budget::writing(TIMEOUT)));
            assert_eq!(nested, Duration::from_secs(2));
            let elsewhere = tokio::spawn(async { left(&Budget::writing(TIMEOUT)) });
            assert_eq!(elsewhere.await.unwrap(), TIMEOUT);
            assert_eq!(left(&Budget::fresh(TIMEOUT)), TIMEOUT);
        })
        .await;
        assert_eq!(left(&Budget::writing(TIMEOUT)), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlives_a_request_does_not_live_on_what_the_request_has_left() {
        let (of_request, websocket) = in_request(async {
            let of_request = Budget::reading(TIMEOUT);
            let wait = of_request.here().wait();
            advance(TIMEOUT).await;
            drop(wait);
            assert_eq!(left(&of_request.here()), Duration::ZERO);
            let elsewhere = of_request.clone();
            (of_request, tokio::spawn(async move { left(&elsewhere.here()) }))
        })
        .await;
        assert_eq!(websocket.await.unwrap(), TIMEOUT);
        for _ in 0..2 {
            // However often the database was away meanwhile.
            let wait = of_request.here().wait();
            assert_eq!(wait.deadline() - Instant::now(), TIMEOUT);
            advance(TIMEOUT).await;
        }
    }

    #[test]
    fn between_two_polls_a_request_keeps_its_budgets() {
        let mut of_request = RequestBudgets::default();
        of_request.enter(|| ());
        let wait = of_request.enter(|| Budget::writing(TIMEOUT).wait());
        let other = of_request.enter(|| Budget::writing(TIMEOUT).wait());
        assert_eq!(other.deadline(), wait.deadline());
    }

    #[test]
    fn a_timeout_may_be_longer_than_any_clock() {
        let budget = Budget::reading(Duration::MAX);
        assert!(budget.wait().deadline() > Instant::now() + FAR_AWAY / 2);
    }
}
