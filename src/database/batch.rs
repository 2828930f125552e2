//! A batch: questions that are asked together, until all are answered.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};

use super::{
    connection::Connection,
    kind::{Claim, Kind},
    pool::Pool,
    query_failure::QueryFailure,
};
use crate::error::Unavailable;

/// How often a batch is sent again because its only connection was lost.
const TRIES: usize = 5;

/// How often the first attempt is given up for another one because other queries are answered.
const REPLACEMENTS: usize = 3;

/// How often the pause before the next probe doubles: up to eight times the retry interval.
const DOUBLINGS: u32 = 3;

/// On how many connections at most a batch is in flight.
const CONNECTIONS: usize = 3;

/// The first pause before a batch that was not executed is sent again. It doubles, up to twice the lock
/// timeout of a statement.
const PAUSE: Duration = Duration::from_millis(5);

/// The outcome of one question.
pub(super) type Outcome<A> = Result<A, Arc<Unavailable>>;

/// Something to ask on any connection.
pub(super) trait Job: Send + Sync + 'static {
    type Answer: Clone + Send + 'static;

    /// Asks, and returns one outcome for each question.
    fn ask(
        &self,
        connection: &Connection,
    ) -> impl Future<Output = Result<Vec<Outcome<Self::Answer>>, QueryFailure>> + Send;
}

/// A caller that waits for an answer.
pub(super) struct Caller<A> {
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Outcome<A>>,
}

/// Questions that are sent together.
pub(super) struct Batch<J: Job> {
    pool: Arc<Pool>,
    kind: Kind,
    /// Shared weakly with the attempts: once the batch is dropped, an attempt that has not been sent yet
    /// sends nothing.
    pub(super) job: Arc<J>,
    /// Each with the index of its outcome: several callers may ask the same.
    pub(super) callers: Vec<(usize, Caller<J::Answer>)>,
    /// The first one that began comes first.
    attempts: Vec<BatchAttempt<J>>,
    begun: Instant,
    /// When the last attempt began, or all of them were last seen to be silent; after a failure, when the
    /// next one may begin.
    last: Instant,
    /// How often it was sent again for each reason.
    losses: usize,
    replacements: usize,
    /// A probe is an attempt in place of the newest one that was sent, because all connections may be dead.
    probes: u32,
    /// When the next probe may begin.
    probe_at: Instant,
    /// How often the server did not execute it.
    retries: u32,
    /// Whether no further connection is to be had.
    has_no_more: bool,
}

/// A query that was sent, or waits for a connection.
struct BatchAttempt<J: Job> {
    reply: BoxFuture<'static, Reply<J>>,
    has_connection: Arc<AtomicBool>,
}

pub(super) type Reply<J> = Result<Vec<Outcome<<J as Job>::Answer>>, QueryFailure>;

impl<J: Job> Batch<J> {
    pub(super) fn new(
        pool: &Arc<Pool>,
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
            begun: now,
            last: now,
            losses: 0,
            replacements: 0,
            probes: 0,
            probe_at: now,
            retries: 0,
            has_no_more: false,
        }
    }

    /// Asks until each caller has an answer or has reached its deadline.
    pub(super) async fn run(mut self) {
        let slow_at = self.begin();
        let slow = tokio::select! {
            biased;
            reply = poll_fn(|cx| self.poll_reply(cx)) => self.receive(reply),
            () = sleep_until(slow_at) => Some(self),
        };
        if let Some(slow) = slow {
            slow.run_slow().await;
        }
    }

    /// Asks. Returns the moment from which it counts as slow: it takes longer than usual, or than the first
    /// caller waits.
    pub(super) fn begin(&mut self) -> Instant {
        self.attempt(Claim::First);
        let silent_at = self.begun + self.pool.server().hedge_after(self.kind);
        self.first_deadline().map_or(silent_at, |first| first.min(silent_at))
    }

    /// The reply to the first attempt that ends.
    pub(super) fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Reply<J>> {
        for index in 0..self.attempts.len() {
            if let Poll::Ready(reply) = self.attempts[index].reply.as_mut().poll(cx) {
                drop(self.attempts.remove(index));
                return Poll::Ready(reply);
            }
        }
        Poll::Pending
    }

    /// Hedges on further connections while none answers, at last in place of others, and asks again where the
    /// server did not execute it.
    pub(super) async fn run_slow(mut self) {
        if !self.kind.repeats() && !self.attempts.is_empty() {
            // A write is never sent a second time while it is in flight. But other writes must not be sent
            // on connections that may be as dead as its own.
            self.pool.close_silent(self.begun);
        }
        loop {
            let now = Instant::now();
            self.fail_late(now);
            let Some(first_deadline) = self.first_deadline() else { return self.abandon() };
            let may_begin = self.may_begin_at();
            if may_begin.is_some_and(|at| at <= now) {
                if self.attempts.len() >= CONNECTIONS && !self.give_one_up(now) {
                    self.last = now;
                    continue;
                }
                let claim = match self.attempts.is_empty() {
                    true if self.retries > 0 => Claim::Retry,
                    true => Claim::First,
                    // Connections that answered only before that may all have died in the same moment.
                    false => Claim::Hedge(self.last),
                };
                self.attempt(claim);
                continue;
            }
            let wake = may_begin.map_or(first_deadline, |at| at.min(first_deadline));
            let heard = tokio::select! {
                biased;
                reply = poll_fn(|cx| self.poll_reply(cx)) => self.receive(reply),
                () = sleep_until(wake) => Some(self),
            };
            match heard {
                Some(batch) => self = batch,
                None => return,
            }
        }
    }

    /// When the next attempt may begin; `None` if there is to be none.
    fn may_begin_at(&self) -> Option<Instant> {
        match self.attempts.len() {
            0 => Some(self.last),
            _ if !self.kind.repeats() || self.has_no_more => None,
            1 => Some(self.last + self.pool.server().hedge_after(self.kind)),
            _ => Some(self.last + self.pool.server().retry_interval()),
        }
    }

    /// Gives up one attempt, if another connection may help. Returns whether it did.
    fn give_one_up(&mut self, now: Instant) -> bool {
        if self.replacements < REPLACEMENTS && self.pool.has_answered_since(self.last) {
            // Other queries are answered, so the connection of the first attempt may be dead.
            self.replacements += 1;
            drop(self.attempts.remove(0));
            return true;
        }
        // All connections may be dead. Or the database is slow, so what was sent first goes on, and what is sent
        // next has more time. If the newest attempt still waits for a connection, the one before it makes room.
        let mut sent = (0..self.attempts.len())
            .filter(|&index| self.attempts[index].has_connection.load(Ordering::Relaxed));
        let (Some(_), Some(newest)) = (sent.next(), sent.next_back()) else { return false };
        let is_in_the_way =
            newest + 1 == self.attempts.len() || self.pool.is_full_for_hedges(self.kind);
        if now < self.probe_at || !is_in_the_way {
            return false;
        }
        self.probes += 1;
        drop(self.attempts.remove(newest));
        true
    }

    fn attempt(&mut self, claim: Claim) {
        let pause = self.pool.server().retry_interval() * (1 << self.probes.min(DOUBLINGS));
        self.last = Instant::now();
        self.probe_at = self.last + pause;
        let has_connection = Arc::<AtomicBool>::default();
        let (pool, job) = (self.pool.clone(), Arc::downgrade(&self.job));
        let reply = attempt(pool, self.kind, job, claim, Arc::clone(&has_connection));
        self.attempts.push(BatchAttempt { reply: Box::pin(reply), has_connection });
    }

    /// Takes the reply of one connection. Returns the batch if that was not the final one.
    pub(super) fn receive(mut self, reply: Reply<J>) -> Option<Self> {
        let error: Arc<Unavailable> = match reply {
            Ok(outcomes) => {
                self.deliver(outcomes);
                return None;
            }
            // An attempt in flight may still be answered.
            Err(QueryFailure::Lost(_)) if !self.attempts.is_empty() => return Some(self),
            Err(QueryFailure::Lost(_)) if self.kind.repeats() && self.losses < TRIES => {
                self.losses += 1;
                return Some(self);
            }
            Err(QueryFailure::NoConnection(_)) if !self.attempts.is_empty() => {
                self.has_no_more = true;
                return Some(self);
            }
            Err(failure) if failure.is_retryable(self.kind) => {
                let longest = 2 * self.pool.server().lock_timeout();
                let pause = (PAUSE * (1 << self.retries.min(10))).min(longest);
                self.retries += 1;
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
            // An attempt that was sent earlier and has not answered by then is dead.
            let (grace, others) =
                (self.pool.server().retry_interval(), std::mem::take(&mut self.attempts));
            tokio::spawn(timeout(grace, await_replies(others)));
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
                // The last caller needs no copy.
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

    /// No caller waits any more. The server ends the queries in flight at its own timeout. If it does not,
    /// the connection is dead, or waits for something that no timeout ends.
    fn abandon(self) {
        let limit = self.pool.server().longest_silence().saturating_sub(self.begun.elapsed());
        tokio::spawn(timeout(limit, await_replies(self.attempts)));
    }
}

/// Lets attempts end whose replies are not needed any more.
async fn await_replies<J: Job>(attempts: Vec<BatchAttempt<J>>) {
    drop(join_all(attempts.into_iter().map(|attempt| attempt.reply)).await);
}

/// Asks on one connection of the pool.
async fn attempt<J: Job>(
    pool: Arc<Pool>,
    kind: Kind,
    job: Weak<J>,
    claim: Claim,
    has_connection: Arc<AtomicBool>,
) -> Reply<J> {
    let lease = pool.get(kind, claim).await.map_err(QueryFailure::NoConnection)?;
    has_connection.store(true, Ordering::Relaxed);
    let Some(job) = job.upgrade() else {
        lease.release();
        return Err(QueryFailure::Lost(None));
    };
    let start = Instant::now();
    let reply = job.ask(&lease).await;
    match &reply {
        Ok(_) => pool.server().answered(kind, start.elapsed()),
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
