//! The task of a lane: it asks for all who wait.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::stream::StreamExt;
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep_until},
};
use tokio_postgres::error::SqlState;

use super::{
    Lookup, Server,
    asked::Asked,
    batch::Batch,
    held::{Attempt, Held},
    link::Failure,
    lookup::Outcome,
    tempo::Tempo,
};
use crate::error::Unavailable;

/// How long a connection is kept that nobody uses.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// How often one question is asked again because its connection was lost.
const TRIES: usize = 6;

/// The task that asks.
pub(super) struct Attendant<L: Lookup> {
    pub(super) lookup: Arc<L>,
    pub(super) server: Arc<Server>,
    pub(super) questions: mpsc::UnboundedReceiver<Asked<L>>,
    /// What could not be asked yet.
    pub(super) waiting: Vec<Asked<L>>,
    pub(super) links: Vec<Held<L>>,
    pub(super) attempts: Vec<Attempt>,
    /// Not before that: the last attempt failed while there were connections.
    pub(super) next_attempt: Instant,
    pub(super) tempo: Tempo,
    /// When the last of what was answered had been asked.
    pub(super) answered: Option<Instant>,
    pub(super) timer: Pin<Box<Sleep>>,
    /// What the timer is set to.
    pub(super) next_look: Instant,
    pub(super) was_late: bool,
    /// The number of the last batch.
    pub(super) numbers: u64,
}

impl<L: Lookup> Attendant<L> {
    pub(super) fn new(
        lookup: Arc<L>,
        server: Arc<Server>,
        questions: mpsc::UnboundedReceiver<Asked<L>>,
    ) -> Self {
        let next_look = Instant::now() + IDLE;
        Self {
            lookup,
            tempo: Tempo::new(&server),
            answered: None,
            server,
            questions,
            waiting: Vec::new(),
            links: Vec::new(),
            attempts: Vec::new(),
            next_attempt: Instant::now(),
            timer: Box::pin(sleep_until(next_look)),
            next_look,
            was_late: false,
            numbers: 0,
        }
    }

    /// Ready when the site is gone.
    pub(super) fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut progress = false;
            let before = self.waiting.len();
            match self.questions.poll_recv_many(cx, &mut self.waiting, usize::MAX) {
                Poll::Ready(0) => return Poll::Ready(()),
                Poll::Ready(_) => progress = true,
                Poll::Pending => {}
            }
            let first = self.waiting[before..].iter_mut().map(|asked| {
                asked.after = self.numbers;
                asked.deadline
            });
            first.min().into_iter().for_each(|first| self.look_by(first));
            progress |= self.land(cx) | self.connect(cx) | self.send();
            progress |= self.keep_time(cx);
            if !progress {
                return Poll::Pending;
            }
        }
    }

    /// Sends what may be sent, and connects where that is needed for it.
    fn send(&mut self) -> bool {
        let mut progress = false;
        // The server may have closed them while nobody asked.
        self.links.retain(|held| !held.under_way.is_empty() || !held.link.is_closed());
        while !self.waiting.is_empty() {
            let free = self.links.iter_mut().filter(|held| held.is_free());
            let Some(held) = free.min_by_key(|held| held.flights.len()) else {
                if self.attempts.is_empty() && self.wants_connection() {
                    self.attempts.push(Attempt::new(&self.server));
                    progress = true;
                }
                let next_try = self.next_try(Instant::now());
                next_try.into_iter().for_each(|next_try| self.look_by(next_try));
                break;
            };
            if let Some(batch) = Batch::out_of(&mut self.waiting) {
                let since = batch.since;
                self.numbers += 1;
                held.fly(self.numbers, batch, &self.lookup);
                self.look_by(since + self.tempo.patience());
            }
            progress = true;
        }
        progress
    }

    /// Whether there should be one more.
    fn wants_connection(&self) -> bool {
        self.links.len() < self.most_links()
            && (self.links.is_empty() || self.next_attempt <= Instant::now())
            && (L::MANNER.spreads || self.all_are_silent())
    }

    /// How many connections there may be: one more than usual while all are silent, since that may
    /// be a lock, and they may be dead. More than that would be a heap of backends at a locked table.
    pub(super) fn most_links(&self) -> usize {
        L::MANNER.connections + usize::from(self.all_are_silent())
    }

    pub(super) fn all_are_silent(&self) -> bool {
        self.links.iter().all(|held| held.silent_since.is_some())
    }

    /// Takes in what was answered.
    fn land(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        let mut index = 0;
        while let Some(held) = self.links.get_mut(index) {
            let Poll::Ready(Some((number, landing))) = held.flights.poll_next_unpin(cx) else {
                index += 1;
                continue;
            };
            progress = true;
            let batch = held.under_way.remove(&number);
            match (landing, batch) {
                (Ok(outcomes), Some(batch)) => {
                    let took = batch.since.elapsed();
                    held.answered(took);
                    self.tempo.answered(took);
                    self.answered = self.answered.max(Some(batch.since));
                    self.deliver(number, batch, outcomes);
                }
                (Err(Failure::Refused(error)), Some(batch)) => {
                    held.answered(batch.since.elapsed());
                    let error = Arc::new(Unavailable::from(error));
                    batch.fail(&error);
                }
                (Err(Failure::Lost(error)), batch) => {
                    let error = error.map_or(Unavailable::NoAnswer, Unavailable::from);
                    let held = self.links.swap_remove(index);
                    self.ask_again(held.into_batches().chain(batch), error.into());
                }
                (_, None) => {}
            }
        }
        progress
    }

    fn deliver(&mut self, number: u64, batch: Batch<L>, outcomes: Vec<Outcome<L::Answer>>) {
        if batch.asked.is_empty() {
            // They wait for another connection by now, and this one was faster after all.
            for (key, outcome) in batch.keys.iter().zip(&outcomes) {
                let Ok(answer) = outcome else { continue };
                for asked in self.take_all_with(key, number) {
                    drop(asked.answer.send(Ok(answer.clone())));
                }
            }
        }
        for (index, asked) in batch.asked {
            let outcome = outcomes.get(index).cloned();
            let outcome = outcome.unwrap_or_else(|| Err(Unavailable::NoAnswer.into()));
            drop(asked.answer.send(outcome));
        }
    }

    /// Takes those whom this batch can answer. Who came after it had gone out is to see what was
    /// changed until then: that the visitor has logged out, that the user was deactivated.
    fn take_all_with(&mut self, key: &L::Key, number: u64) -> Vec<Asked<L>> {
        let can_answer = |asked: &Asked<L>| asked.after < number && asked.key == *key;
        let mut taken: Vec<_> = self.waiting.extract_if(.., |asked| can_answer(asked)).collect();
        for batch in self.links.iter_mut().flat_map(|held| held.under_way.values_mut()) {
            let same = batch.asked.extract_if(.., |(_, asked)| can_answer(asked));
            taken.extend(same.map(|(_, asked)| asked));
        }
        taken
    }

    /// The connection is lost. What cannot be asked twice has failed.
    pub(super) fn ask_again(
        &mut self,
        batches: impl Iterator<Item = Batch<L>>,
        error: Arc<Unavailable>,
    ) {
        let mut again = Vec::new();
        for (_, mut asked) in batches.flat_map(|batch| batch.asked) {
            asked.tries += 1;
            if L::MANNER.repeats && asked.tries < TRIES {
                again.push(asked);
            } else {
                let error = Arc::clone(&error);
                drop(asked.answer.send(Err(error)));
            }
        }
        self.waiting.splice(0..0, again);
    }

    /// Goes on with the connections in the making.
    fn connect(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        let mut index = 0;
        while let Some(attempt) = self.attempts.get_mut(index) {
            let Poll::Ready(link) = attempt.link.as_mut().poll(cx) else {
                index += 1;
                continue;
            };
            progress = true;
            drop(self.attempts.swap_remove(index));
            match link {
                Ok(link) => {
                    self.attempts.clear();
                    self.tempo.answered(link.round_trip());
                    self.links.push(Held::new(link));
                }
                Err(error) if self.attempts.is_empty() && self.links.is_empty() => {
                    self.cannot_connect(error);
                }
                Err(_) => self.next_attempt = Instant::now() + self.server.share(),
            }
        }
        progress
    }

    fn cannot_connect(&mut self, error: tokio_postgres::Error) {
        // An administrator may end a connection while it is being made.
        let ended_early = error.code() == Some(&SqlState::ADMIN_SHUTDOWN);
        let error = Arc::new(Unavailable::Connection(error.into()));
        for mut asked in std::mem::take(&mut self.waiting) {
            asked.tries += 1;
            if ended_early && asked.tries < TRIES {
                self.waiting.push(asked);
            } else {
                let error = Arc::clone(&error);
                drop(asked.answer.send(Err(error)));
            }
        }
    }
}
