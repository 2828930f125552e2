//! Questions that are asked together, until they are answered.

use std::{
    future::{Future, poll_fn},
    sync::{Arc, Weak},
    task::Poll,
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};
use tokio_postgres::error::SqlState;

use super::{
    connection::{Connection, QueryFailure},
    kind::Kind,
    pool::Pool,
    wait_queue::Claim,
};
use crate::error::Unavailable;

/// How often the same is asked because its connection was lost.
const TRIES: usize = 6;

/// On how many connections the same is asked, while none answers.
const CONNECTIONS: usize = 3;

/// The first pause before the same is asked again that was not done. It doubles, up to twice the time for
/// which a statement waits for a lock.
const PAUSE: Duration = Duration::from_millis(5);

/// What became of one question.
pub(super) type Outcome<A> = Result<A, Arc<Unavailable>>;

/// Something to ask on whichever connection there is.
pub(super) trait Job: Send + Sync + 'static {
    type Answer: Clone + Send + 'static;

    /// The outcomes, one for each question.
    fn ask(
        &self,
        connection: &Connection,
    ) -> impl Future<Output = Result<Vec<Outcome<Self::Answer>>, QueryFailure>> + Send;
}

/// One visitor's question.
pub(super) struct Caller<A> {
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Outcome<A>>,
}

/// Questions that go out together.
pub(super) struct Batch<J: Job> {
    pool: Pool,
    kind: Kind,
    /// What nobody waits for any more is not sent: it is gone with this.
    job: Arc<J>,
    /// Each with the index of its outcome: several may ask the same.
    callers: Vec<(usize, Caller<J::Answer>)>,
    attempts: Vec<BoxFuture<'static, Reply<J>>>,
    tries: usize,
    begun: Instant,
    /// When the last attempt began, or may begin if none is under way.
    last: Instant,
    /// How often nothing was done.
    refusals: u32,
    /// There is no further connection to ask on.
    has_no_more: bool,
}

type Reply<J> = Result<Vec<Outcome<<J as Job>::Answer>>, QueryFailure>;

impl<J: Job> Batch<J> {
    pub(super) fn new(
        pool: &Pool,
        kind: Kind,
        job: J,
        callers: Vec<(usize, Caller<J::Answer>)>,
    ) -> Self {
        let now = Instant::now();
        Self {
            pool: pool.clone(),
            kind,
            job: job.into(),
            callers,
            attempts: Vec::new(),
            tries: 0,
            begun: now,
            last: now,
            refusals: 0,
            has_no_more: false,
        }
    }

    /// Asks until everybody has an answer, or has waited long enough.
    pub(super) async fn run(self) {
        if let Some(silent) = self.begin().await {
            silent.run_slow().await;
        }
    }

    /// Asks; gives itself back if that takes longer than usual.
    pub(super) async fn begin(mut self) -> Option<Self> {
        let silent_at = self.begun + self.pool.server().hedge_after(self.kind);
        let wake = self.first_deadline().map_or(silent_at, |first| first.min(silent_at));
        self.attempt(Claim::First);
        tokio::select! {
            biased;
            reply = next(&mut self.attempts) => self.receive(reply),
            () = sleep_until(wake) => Some(self),
        }
    }

    /// Asks on further connections while none answers, and again where nothing was done.
    pub(super) async fn run_slow(mut self) {
        if !self.kind.repeats() && !self.attempts.is_empty() {
            // It is not sent again. But what others write shall not be sent to where this one is lost.
            self.pool.close_silent(self.begun);
        }
        loop {
            let now = Instant::now();
            self.fail_late(now);
            let Some(first_deadline) = self.first_deadline() else { return self.abandon() };
            let may_begin = self.may_begin_at();
            if may_begin.is_some_and(|at| at <= now) {
                if self.attempts.len() >= CONNECTIONS {
                    if !self.pool.has_answered_since(self.last) {
                        // It is slow, or gone: nothing is to be had elsewhere.
                        self.last = now;
                        continue;
                    }
                    // Others are answered, and this is not.
                    drop(self.attempts.remove(0));
                }
                let claim = match self.attempts.is_empty() {
                    true if self.refusals > 0 => Claim::Retry,
                    true => Claim::First,
                    // Of those heard before that, all may have died in one moment.
                    false => Claim::Hedge(self.last),
                };
                self.attempt(claim);
                continue;
            }
            let wake = may_begin.map_or(first_deadline, |at| at.min(first_deadline));
            let heard = tokio::select! {
                biased;
                reply = next(&mut self.attempts) => self.receive(reply),
                () = sleep_until(wake) => Some(self),
            };
            match heard {
                Some(batch) => self = batch,
                None => return,
            }
        }
    }

    /// When the next attempt may begin.
    fn may_begin_at(&self) -> Option<Instant> {
        match self.attempts.len() {
            0 => Some(self.last),
            _ if !self.kind.repeats() || self.has_no_more => None,
            1 => Some(self.last + self.pool.server().hedge_after(self.kind)),
            count if count < CONNECTIONS || self.tries < TRIES => {
                Some(self.last + self.pool.server().retry_interval())
            }
            _ => None,
        }
    }

    fn attempt(&mut self, claim: Claim) {
        let (pool, kind, job) = (self.pool.clone(), self.kind, Arc::downgrade(&self.job));
        self.last = Instant::now();
        self.tries += 1;
        self.attempts.push(Box::pin(attempt(pool, kind, job, claim)));
    }

    /// Takes in what one connection said; gives itself back if that was not the last word.
    fn receive(mut self, reply: Reply<J>) -> Option<Self> {
        let error: Arc<Unavailable> = match reply {
            Ok(outcomes) => {
                self.deliver(outcomes);
                return None;
            }
            Err(QueryFailure::Lost(_)) if self.kind.repeats() && self.tries < TRIES => {
                return Some(self);
            }
            // What is asked already may be answered.
            Err(QueryFailure::NoConnection(_)) if !self.attempts.is_empty() => {
                self.has_no_more = true;
                return Some(self);
            }
            Err(failure) if failure.is_passing(self.kind) => {
                let longest = 2 * self.pool.server().lock_timeout();
                let pause = (PAUSE * (1 << self.refusals.min(10))).min(longest);
                self.refusals += 1;
                self.last = Instant::now() + pause;
                return Some(self);
            }
            Err(failure) => failure.into(),
        };
        for (_, callers) in self.callers {
            drop(callers.answer.send(Err(Arc::clone(&error))));
        }
        None
    }

    fn deliver(mut self, outcomes: Vec<Outcome<J::Answer>>) {
        if !self.attempts.is_empty() {
            self.pool.close_silent(self.begun);
            // What has not answered by then, though it was asked earlier, is dead.
            let (grace, others) =
                (self.pool.server().retry_interval(), std::mem::take(&mut self.attempts));
            tokio::spawn(timeout(grace, join_all(others)));
        }
        let mut outcomes: Vec<_> = outcomes.into_iter().map(Some).collect();
        let mut left = vec![0_usize; outcomes.len()];
        for (index, _) in &self.callers {
            left.get_mut(*index).into_iter().for_each(|left| *left += 1);
        }
        for (index, callers) in self.callers {
            let outcome = match left.get_mut(index) {
                Some(left) if *left > 1 => {
                    *left -= 1;
                    outcomes[index].clone()
                }
                // The last one needs no copy.
                Some(_) => outcomes[index].take(),
                None => None,
            };
            drop(
                callers
                    .answer
                    .send(outcome.unwrap_or_else(|| Err(Unavailable::WrongAnswer.into()))),
            );
        }
    }

    fn first_deadline(&self) -> Option<Instant> {
        self.callers.iter().map(|(_, callers)| callers.deadline).min()
    }

    fn fail_late(&mut self, now: Instant) {
        self.callers.retain(|(_, callers)| !callers.answer.is_closed());
        if self.first_deadline().is_none_or(|first| first > now) {
            return;
        }
        let error = self.pool.why_late();
        for (_, callers) in self.callers.extract_if(.., |(_, callers)| callers.deadline <= now) {
            drop(callers.answer.send(Err(Arc::clone(&error))));
        }
    }

    /// Nobody waits any more. The server ends what it is still asked; if it does not, the connection is
    /// dead, or waits for what no timeout ends.
    fn abandon(self) {
        let limit = self.pool.server().longest_silence().saturating_sub(self.begun.elapsed());
        tokio::spawn(timeout(limit, join_all(self.attempts)));
    }
}

/// The next of these that comes to an end. Pending if there are none.
async fn next<T>(futures: &mut Vec<BoxFuture<'static, T>>) -> T {
    poll_fn(|cx| {
        for index in 0..futures.len() {
            if let Poll::Ready(ended) = futures[index].as_mut().poll(cx) {
                drop(futures.remove(index));
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    })
    .await
}

/// Asks on one connection.
async fn attempt<J: Job>(pool: Pool, kind: Kind, job: Weak<J>, claim: Claim) -> Reply<J> {
    let lease = pool.get(kind, claim).await.map_err(QueryFailure::NoConnection)?;
    let Some(job) = job.upgrade() else {
        lease.release();
        return Err(QueryFailure::Lost(None));
    };
    let start = Instant::now();
    let reply = job.ask(&lease).await;
    match &reply {
        Ok(_) => pool.latency(kind).answered(start.elapsed()),
        Err(QueryFailure::Lost(_)) => {
            drop(lease);
            return reply;
        }
        Err(QueryFailure::Stale) => pool.retire_all(),
        Err(_) => {}
    }
    lease.release();
    reply
}

impl QueryFailure {
    /// Whether nothing was done, and the same may succeed when it is asked again.
    fn is_passing(&self, kind: Kind) -> bool {
        match self {
            Self::Stale => true,
            Self::Retry(error) => {
                kind.waits_for_locks() || error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE)
            }
            Self::Lost(_) | Self::Refused(_) | Self::NoConnection(_) => false,
        }
    }
}
