//! How long one request waits for the database.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{task_local, time::Instant};

/// As good as never, where a timeout is too long to be added to the clock.
const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 86_400);

task_local! {
    static OF_REQUEST: RequestBudgets;
}

/// How long a request has waited for what it reads, and for what it writes. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestBudgets(Arc<[Waited; 2]>);

/// How long somebody may still wait for the database: a `timeout`, less what was waited for before. What
/// the handler does in between does not count, and what is waited for at the same time counts once.
/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    timeout: Duration,
    spent: RequestBudgets,
    purpose: Purpose,
}

/// What is waited for: each has a `timeout` of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Reading,
    Writing,
}

#[derive(Debug, Default)]
struct Waited(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    before: Duration,
    count: usize,
    /// When the first of these began.
    since: Option<Instant>,
}

/// All that this future asks is on the budgets of one request: those of an outer middleware, if there is
/// one.
pub(crate) async fn in_request<T>(answer: impl Future<Output = T>) -> T {
    OF_REQUEST.scope(RequestBudgets::current(), answer).await
}

impl RequestBudgets {
    /// Those of the request that the current task answers; new ones where there is none.
    fn current() -> Self {
        OF_REQUEST.try_with(Self::clone).unwrap_or_default()
    }

    /// Whether they are those of the request that the current task answers.
    fn are_current(&self) -> bool {
        OF_REQUEST.try_with(|current| Arc::ptr_eq(&current.0, &self.0)).unwrap_or_default()
    }

    /// Has a future asked on one request's budgets, as [`in_request`] does: `of_request` are those which
    /// it had before.
    pub(crate) fn enter<T>(of_request: &mut Option<Self>, poll: impl FnOnce() -> T) -> T {
        let budgets = of_request.get_or_insert_with(Self::current).clone();
        OF_REQUEST.sync_scope(budgets, poll)
    }
}

impl Budget {
    /// What the request of the current task has left; all of it outside of any.
    pub(crate) fn new(timeout: Duration, purpose: Purpose) -> Self {
        Self { timeout, spent: RequestBudgets::current(), purpose }
    }

    /// All of it, for one that is no request's.
    pub(crate) fn fresh(timeout: Duration) -> Self {
        Self { timeout, spent: RequestBudgets::default(), purpose: Purpose::Reading }
    }

    /// That of whoever asks now: this one while its request is being answered, by the task that answers it.
    /// What outlives a request, such as a WebSocket, has all of it each time.
    pub(crate) fn here(&self) -> Self {
        match self.spent.are_current() {
            true => self.clone(),
            false => Self { spent: RequestBudgets::default(), ..*self },
        }
    }

    /// Starts to wait. What is dropped later says how long it took.
    pub(crate) fn wait(&self) -> Wait {
        let (now, mut waiting) = (Instant::now(), self.waiting());
        let since = *waiting.since.get_or_insert(now);
        waiting.count += 1;
        let left = self.timeout.saturating_sub(waiting.before);
        let deadline = since.checked_add(left).unwrap_or_else(|| now + FAR_AWAY);
        drop(waiting);
        Wait { budget: self.clone(), deadline }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        let Waited(waiting) = &self.spent.0[self.purpose as usize];
        waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While a request waits.
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
        let mut waiting = self.budget.waiting();
        waiting.count -= 1;
        if waiting.count == 0
            && let Some(since) = waiting.since.take()
        {
            waiting.before += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn budget(purpose: Purpose) -> Budget {
        Budget::new(TIMEOUT, purpose)
    }

    fn left(budget: &Budget) -> Duration {
        budget.wait().deadline() - Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn all_waits_of_a_request_share_one_timeout() {
        let budget = budget(Purpose::Reading);
        let wait = budget.wait();
        advance(Duration::from_secs(3)).await;
        drop(wait);
        // The handler works.
        advance(Duration::from_secs(60)).await;
        assert_eq!(left(&budget.clone()), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_at_the_same_time_counts_once() {
        let budget = budget(Purpose::Reading);
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
            let wait = budget(Purpose::Writing).wait();
            advance(Duration::from_secs(3)).await;
            drop(wait);
            assert_eq!(left(&budget(Purpose::Reading)), TIMEOUT);
            assert_eq!(left(&budget(Purpose::Writing)), Duration::from_secs(2));
            // A middleware within another one, whichever way it asks.
            let nested = in_request(async { left(&budget(Purpose::Writing)) });
            assert_eq!(nested.await, Duration::from_secs(2));
            let nested = RequestBudgets::enter(&mut None, || left(&budget(Purpose::Writing)));
            assert_eq!(nested, Duration::from_secs(2));
            let elsewhere = tokio::spawn(async { left(&budget(Purpose::Writing)) });
            assert_eq!(elsewhere.await.unwrap(), TIMEOUT);
            assert_eq!(left(&Budget::fresh(TIMEOUT)), TIMEOUT);
        })
        .await;
        assert_eq!(left(&budget(Purpose::Writing)), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlives_a_request_does_not_live_on_what_the_request_has_left() {
        let (of_request, websocket) = in_request(async {
            let of_request = budget(Purpose::Reading);
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
        let mut of_request = None;
        let wait = RequestBudgets::enter(&mut of_request, || budget(Purpose::Writing).wait());
        let other = RequestBudgets::enter(&mut of_request, || budget(Purpose::Writing).wait());
        assert_eq!(other.deadline(), wait.deadline());
    }

    #[test]
    fn a_timeout_may_be_longer_than_any_clock() {
        let budget = Budget::new(Duration::MAX, Purpose::Reading);
        assert!(budget.wait().deadline() > Instant::now() + FAR_AWAY / 2);
    }
}
