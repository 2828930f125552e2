//! Questions that are asked together, until they are answered.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
    connection::{Connection, Failure},
    kind::Kind,
    pool::Pool,
};
use crate::error::Unavailable;

/// How often the same is asked because its connection was lost.
const TRIES: usize = 6;

/// On how many connections the same is asked, while none answers.
const CONNECTIONS: usize = 3;

/// The pause before the same is asked again that was not done.
const PAUSE: Duration = Duration::from_millis(5);

/// What became of one question.
pub(super) type Outcome<A> = Result<A, Arc<Unavailable>>;

/// Something to ask on whichever connection there is.
pub(super) trait Ask: Send + Sync + 'static {
    type Answer: Clone + Send + 'static;

    /// The outcomes, one for each question.
    fn ask(
        &self,
        connection: &Connection,
    ) -> impl Future<Output = Result<Vec<Outcome<Self::Answer>>, Failure>> + Send;
}

/// How something is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) kind: Kind,
    /// Whether what may have been done can be asked again.
    pub(super) repeats: bool,
    /// Whether it stands in line again when it has met a lock.
    pub(super) waits_for_locks: bool,
}

/// One visitor's question.
pub(super) struct Asked<A> {
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Outcome<A>>,
}

/// Questions that go out together.
pub(super) struct Batch<J: Ask> {
    pool: Pool,
    policy: Policy,
    work: Arc<Work<J>>,
    /// Each with the index of its outcome: several may ask the same.
    asked: Vec<(usize, Asked<J::Answer>)>,
    attempts: Vec<BoxFuture<'static, Said<J>>>,
    tries: usize,
    begun: Instant,
    /// When the last attempt began, or may begin if none is under way.
    last: Instant,
    /// There is no further connection to ask on.
    has_no_more: bool,
}

struct Work<J> {
    job: J,
    /// Nobody waits any more: what was not sent yet never will be.
    is_over: AtomicBool,
}

type Said<J> = Result<Vec<Outcome<<J as Ask>::Answer>>, Failed>;

/// Why one connection has no answer.
enum Failed {
    /// Another connection may have one.
    Lost(Arc<Unavailable>),
    /// Nothing was done; the same may succeed now.
    Again,
    /// There is no connection to ask on.
    NoConnection(Arc<Unavailable>),
    Final(Arc<Unavailable>),
}

impl<J: Ask> Batch<J> {
    pub(super) fn new(
        pool: &Pool,
        policy: Policy,
        job: J,
        asked: Vec<(usize, Asked<J::Answer>)>,
    ) -> Self {
        let now = Instant::now();
        let work = Arc::new(Work { job, is_over: AtomicBool::new(false) });
        let pool = pool.clone();
        let (attempts, tries, has_no_more) = (Vec::new(), 0, false);
        Self { pool, policy, work, asked, attempts, tries, begun: now, last: now, has_no_more }
    }

    /// Asks until everybody has an answer, or has waited long enough.
    pub(super) async fn run(self) {
        if let Some(silent) = self.begin().await {
            silent.go_on().await;
        }
    }

    /// Asks; gives itself back if that takes longer than usual.
    pub(super) async fn begin(mut self) -> Option<Self> {
        let silent_at = self.begun + self.pool.patience(self.policy.kind);
        let wake = self.first_deadline().map_or(silent_at, |first| first.min(silent_at));
        self.attempt(None);
        tokio::select! {
            biased;
            said = next(&mut self.attempts) => self.hear(said),
            () = sleep_until(wake) => Some(self),
        }
    }

    /// Asks on further connections while none answers, and again where nothing was done.
    pub(super) async fn go_on(mut self) {
        loop {
            let now = Instant::now();
            self.tell_late(now);
            let Some(first_deadline) = self.first_deadline() else { return self.leave() };
            let may_begin = self.may_begin_at();
            if may_begin.is_some_and(|at| at <= now) {
                if self.attempts.len() >= CONNECTIONS {
                    if !self.pool.has_heard_since(self.last) {
                        // It is slow, or gone: nothing is to be had elsewhere.
                        self.last = now;
                        continue;
                    }
                    // Others are answered, and this is not.
                    drop(self.attempts.remove(0));
                }
                // Of those heard before that, all may have died in one moment.
                let heard_since = (!self.attempts.is_empty()).then_some(self.last);
                self.attempt(heard_since);
                continue;
            }
            let wake = may_begin.map_or(first_deadline, |at| at.min(first_deadline));
            let heard = tokio::select! {
                biased;
                said = next(&mut self.attempts) => self.hear(said),
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
            _ if !self.policy.repeats || self.has_no_more => None,
            1 => Some(self.last + self.pool.patience(self.policy.kind)),
            count if count < CONNECTIONS || self.tries < TRIES => {
                Some(self.last + self.pool.server().share())
            }
            _ => None,
        }
    }

    fn attempt(&mut self, heard_since: Option<Instant>) {
        let (pool, policy, work) = (self.pool.clone(), self.policy, Arc::clone(&self.work));
        self.last = Instant::now();
        self.tries += 1;
        self.attempts.push(Box::pin(attempt(pool, policy, work, heard_since)));
    }

    /// Takes in what one connection said; gives itself back if that was not the last word.
    fn hear(mut self, said: Said<J>) -> Option<Self> {
        let error = match said {
            Ok(outcomes) => {
                self.deliver(outcomes);
                return None;
            }
            Err(Failed::Lost(_)) if self.policy.repeats && self.tries < TRIES => return Some(self),
            Err(Failed::Again) => {
                self.last = Instant::now() + PAUSE;
                return Some(self);
            }
            // What is asked already may be answered.
            Err(Failed::NoConnection(_)) if !self.attempts.is_empty() => {
                self.has_no_more = true;
                return Some(self);
            }
            Err(Failed::Lost(error) | Failed::NoConnection(error) | Failed::Final(error)) => error,
        };
        for (_, asked) in self.asked {
            drop(asked.answer.send(Err(Arc::clone(&error))));
        }
        None
    }

    fn deliver(mut self, outcomes: Vec<Outcome<J::Answer>>) {
        if !self.attempts.is_empty() {
            self.pool.close_silent(self.begun);
            // What has not answered by then, though it was asked earlier, is dead.
            let (grace, others) = (self.pool.server().share(), std::mem::take(&mut self.attempts));
            tokio::spawn(timeout(grace, join_all(others)));
        }
        let mut outcomes: Vec<_> = outcomes.into_iter().map(Some).collect();
        let mut left = vec![0_usize; outcomes.len()];
        for (index, _) in &self.asked {
            left.get_mut(*index).into_iter().for_each(|left| *left += 1);
        }
        for (index, asked) in self.asked {
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
                asked.answer.send(outcome.unwrap_or_else(|| Err(Unavailable::WrongAnswer.into()))),
            );
        }
    }

    fn first_deadline(&self) -> Option<Instant> {
        self.asked.iter().map(|(_, asked)| asked.deadline).min()
    }

    fn tell_late(&mut self, now: Instant) {
        self.asked.retain(|(_, asked)| !asked.answer.is_closed());
        if self.first_deadline().is_none_or(|first| first > now) {
            return;
        }
        let error = self.pool.why_late();
        for (_, asked) in self.asked.extract_if(.., |(_, asked)| asked.deadline <= now) {
            drop(asked.answer.send(Err(Arc::clone(&error))));
        }
    }

    /// Nobody waits any more. The server ends what it is still asked; if it does not, the connection is
    /// dead, or waits for what no timeout ends.
    fn leave(self) {
        self.work.is_over.store(true, Ordering::Release);
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
async fn attempt<J: Ask>(
    pool: Pool,
    policy: Policy,
    work: Arc<Work<J>>,
    heard_since: Option<Instant>,
) -> Said<J> {
    let lease = pool.get(policy.kind, heard_since).await.map_err(Failed::NoConnection)?;
    if work.is_over.load(Ordering::Acquire) {
        lease.release();
        return Err(Failed::Final(Unavailable::Timeout(pool.server().timeout()).into()));
    }
    let start = Instant::now();
    let failed = match work.job.ask(&lease).await {
        Ok(outcomes) => {
            pool.latency(policy.kind).answered(start.elapsed());
            lease.release();
            return Ok(outcomes);
        }
        Err(Failure::Lost(error)) => {
            drop(lease);
            let error = error.map_or(Unavailable::WrongAnswer, Unavailable::from);
            return Err(Failed::Lost(error.into()));
        }
        Err(Failure::Stale) => {
            pool.retire_all();
            Failed::Again
        }
        Err(Failure::Again(error)) => {
            let is_locked = error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
            match is_locked && !policy.waits_for_locks {
                true => Failed::Final(Arc::new(error.into())),
                false => Failed::Again,
            }
        }
        Err(Failure::Refused(error)) => Failed::Final(Arc::new(error.into())),
    };
    lease.release();
    Err(failed)
}
