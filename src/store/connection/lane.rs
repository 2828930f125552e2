//! One kind of question, on one runtime: who asks waits for the answer, and a task asks.
//!
//! While a query is under way, questions gather; the next query carries all of them. Whoever waits
//! only waits: a visitor's future that is paused, dropped or leaked stops nobody.

use std::{
    collections::{BTreeMap, HashMap},
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, Sleep, sleep_until},
};
use tokio_postgres::error::SqlState;

use super::{
    Server,
    link::{Failure, Link},
    lookup::{Lookup, Outcome, ask},
};
use crate::error::Unavailable;

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

/// How often one question is asked again because its connection was lost.
const TRIES: usize = 6;

/// How many connections may be in the making at the same time. The next one starts when the last has
/// been silent for a share of the timeout.
const ATTEMPTS: usize = 3;

/// A database this far away is asked again before it has answered: otherwise those who gather would
/// wait for most of two round trips. A near one is spared the more queries the more of them gather.
const NEAR: Duration = Duration::from_micros(300);
const UNDER_WAY: usize = 8;

/// Where to ask. The task ends with this.
pub(crate) struct Lane<L: Lookup> {
    questions: mpsc::UnboundedSender<Asked<L>>,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) error: Arc<Unavailable>,
    /// Whether the server may have done what it was asked to do.
    #[allow(dead_code)] // for those who write
    pub(crate) may_be_done: bool,
}

/// One visitor's question.
struct Asked<L: Lookup> {
    key: L::Key,
    deadline: Instant,
    tries: usize,
    answer: oneshot::Sender<Result<L::Answer, Failed>>,
}

impl<L: Lookup> Lane<L> {
    /// Opens a lane on the current runtime; it connects when it is asked something.
    pub(crate) fn open(lookup: Arc<L>, server: Arc<Server>) -> Self {
        let (questions, receiver) = mpsc::unbounded_channel();
        let mut attendant = Attendant::new(lookup, server, receiver);
        drop(tokio::spawn(async move { poll_fn(|cx| attendant.go_on(cx)).await }));
        Self { questions }
    }

    /// Whether its runtime has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.questions.is_closed()
    }

    /// The answer for a key, which comes by the deadline or is a failure.
    pub(crate) async fn ask(&self, key: L::Key, deadline: Instant) -> Result<L::Answer, Failed> {
        let (answer, answered) = oneshot::channel();
        // If the runtime has ended, nobody answers.
        drop(self.questions.send(Asked { key, deadline, tries: 0, answer }));
        let ended = |_| Failed { error: Unavailable::NoRuntime.into(), may_be_done: true };
        answered.await.map_err(ended)?
    }
}

/// The task that asks.
struct Attendant<L: Lookup> {
    lookup: Arc<L>,
    server: Arc<Server>,
    questions: mpsc::UnboundedReceiver<Asked<L>>,
    /// What could not be asked yet.
    waiting: Vec<Asked<L>>,
    links: Vec<Held<L>>,
    attempts: Vec<Attempt>,
    /// Not before that: the last attempt failed while there were connections.
    next_attempt: Instant,
    /// How long a connection may be silent. More where the database turned out to be slow.
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    next_check: Instant,
    was_busy: bool,
    numbers: u64,
}

/// A connection, and what was asked on it.
struct Held<L: Lookup> {
    link: Arc<Link>,
    flights: FuturesUnordered<BoxFuture<'static, (u64, Landing<L>)>>,
    under_way: BTreeMap<u64, Batch<L>>,
    /// Since when it has been given up on for the time being.
    silent_since: Option<Instant>,
    /// When it last answered.
    heard: Instant,
    /// The shortest time in which it answered of late.
    fastest: Duration,
}

/// Questions that went out together.
struct Batch<L: Lookup> {
    keys: Arc<[L::Key]>,
    /// Each with the index of its key: several may have the same.
    asked: Vec<(usize, Asked<L>)>,
    since: Instant,
}

type Landing<L> = Result<Vec<Outcome<<L as Lookup>::Answer>>, Failure>;

/// A connection in the making.
struct Attempt {
    since: Instant,
    link: BoxFuture<'static, Result<Link, tokio_postgres::Error>>,
}

impl<L: Lookup> Attendant<L> {
    fn new(
        lookup: Arc<L>,
        server: Arc<Server>,
        questions: mpsc::UnboundedReceiver<Asked<L>>,
    ) -> Self {
        let next_check = Instant::now() + IDLE;
        Self {
            lookup,
            patience: server.share(),
            server,
            questions,
            waiting: Vec::new(),
            links: Vec::new(),
            attempts: Vec::new(),
            next_attempt: Instant::now(),
            timer: Box::pin(sleep_until(next_check)),
            next_check,
            was_busy: false,
            numbers: 0,
        }
    }

    /// Ready when the store is gone.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut progress = false;
            match self.questions.poll_recv_many(cx, &mut self.waiting, usize::MAX) {
                Poll::Ready(0) => return Poll::Ready(()),
                Poll::Ready(_) => progress = true,
                Poll::Pending => {}
            }
            progress |= self.land(cx) | self.connect(cx) | self.send();
            self.keep_time(cx);
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
                break;
            };
            if let Some(batch) = Batch::out_of(&mut self.waiting) {
                self.numbers += 1;
                held.fly(self.numbers, batch, &self.lookup);
            }
            self.was_busy = true;
            progress = true;
        }
        progress
    }

    /// Whether there should be one more.
    fn wants_connection(&self) -> bool {
        self.links.len() < L::MANNER.connections
            && (self.links.is_empty() || self.next_attempt <= Instant::now())
            && (L::MANNER.spreads || self.links.iter().all(|held| held.silent_since.is_some()))
    }

    /// Takes in what was answered.
    fn land(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        let mut proof_of_life = None;
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
                    proof_of_life = proof_of_life.max(Some(batch.since));
                    self.patience = if took > self.patience {
                        // It is slow, not dead.
                        (2 * took).min(self.server.timeout() / 2)
                    } else {
                        self.server.share()
                    };
                    self.deliver(batch, outcomes);
                }
                (Err(Failure::Refused(error)), Some(batch)) => {
                    held.answered(batch.since.elapsed());
                    let error = Arc::new(Unavailable::Query(error));
                    batch.fail(&Failed { error, may_be_done: false });
                }
                (Err(Failure::Lost(error)), batch) => {
                    let error = error.map_or(Unavailable::NoAnswer, Unavailable::Query);
                    let held = self.links.swap_remove(index);
                    self.ask_again(held.into_batches().chain(batch), error.into());
                }
                (_, None) => {}
            }
        }
        if let Some(since) = proof_of_life {
            self.drop_dead(since);
        }
        progress
    }

    /// Drops those that had fallen silent before another was asked which has answered.
    fn drop_dead(&mut self, since: Instant) {
        if !L::MANNER.repeats || self.links.len() < 2 {
            return;
        }
        let is_dead = |held: &mut Held<L>| held.silent_since.is_some_and(|silent| silent <= since);
        let dead: Vec<_> = self.links.extract_if(.., is_dead).collect();
        let error: Arc<_> = Unavailable::Timeout(self.server.timeout()).into();
        self.ask_again(dead.into_iter().flat_map(Held::into_batches), error);
    }

    fn deliver(&mut self, batch: Batch<L>, outcomes: Vec<Outcome<L::Answer>>) {
        let failed = |error: &Arc<Unavailable>| Failed {
            error: Arc::clone(error),
            may_be_done: !matches!(**error, Unavailable::Query(_)),
        };
        if batch.asked.is_empty() {
            // They wait for another connection by now, and this one was faster after all.
            for (key, outcome) in batch.keys.iter().zip(&outcomes) {
                let Ok(answer) = outcome else { continue };
                for asked in self.take_all_with(key) {
                    drop(asked.answer.send(Ok(answer.clone())));
                }
            }
        }
        for (index, asked) in batch.asked {
            let outcome = outcomes.get(index).cloned();
            let outcome = outcome.unwrap_or_else(|| Err(Unavailable::NoAnswer.into()));
            drop(asked.answer.send(outcome.map_err(|error| failed(&error))));
        }
    }

    fn take_all_with(&mut self, key: &L::Key) -> Vec<Asked<L>> {
        let mut taken: Vec<_> = self.waiting.extract_if(.., |asked| asked.key == *key).collect();
        for batch in self.links.iter_mut().flat_map(|held| held.under_way.values_mut()) {
            let same = batch.asked.extract_if(.., |(_, asked)| asked.key == *key);
            taken.extend(same.map(|(_, asked)| asked));
        }
        taken
    }

    /// The connection is lost. What cannot be asked twice has failed.
    fn ask_again(&mut self, batches: impl Iterator<Item = Batch<L>>, error: Arc<Unavailable>) {
        let mut again = Vec::new();
        for (_, mut asked) in batches.flat_map(|batch| batch.asked) {
            asked.tries += 1;
            if L::MANNER.repeats && asked.tries < TRIES {
                again.push(asked);
            } else {
                let error = Arc::clone(&error);
                drop(asked.answer.send(Err(Failed { error, may_be_done: true })));
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
        let error = Arc::new(Unavailable::Connection(error));
        for mut asked in std::mem::take(&mut self.waiting) {
            asked.tries += 1;
            if ended_early && asked.tries < TRIES {
                self.waiting.push(asked);
            } else {
                let error = Arc::clone(&error);
                drop(asked.answer.send(Err(Failed { error, may_be_done: asked.tries > 1 })));
            }
        }
    }

    /// Looks after the clock: often while something is under way, else seldom. One timer serves all
    /// who wait, and is not set anew for each.
    fn keep_time(&mut self, cx: &mut Context<'_>) {
        let busy = self.is_busy();
        let tick = self.server.share() / 8;
        if busy && self.next_check > Instant::now() + tick {
            self.set_timer(Instant::now() + tick);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            // If the thread was blocked, answers may lie there that nobody could read.
            if now < self.next_check + 4 * tick {
                self.check(now);
            }
            let next =
                if self.is_busy() || std::mem::take(&mut self.was_busy) { tick } else { IDLE };
            self.set_timer(now + next);
        }
    }

    fn set_timer(&mut self, at: Instant) {
        self.next_check = at;
        self.timer.as_mut().reset(at);
    }

    fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
            || !self.attempts.is_empty()
            || self.links.iter().any(|held| !held.under_way.is_empty())
    }

    fn check(&mut self, now: Instant) {
        self.give_up_on_late(now);
        self.find_silent(now);
        self.drop_useless(now);
        let newest = self.attempts.iter().map(|attempt| attempt.since).max();
        let stuck = newest.is_some_and(|newest| newest + self.server.share() <= now);
        if stuck && !self.waiting.is_empty() {
            if self.attempts.len() >= ATTEMPTS {
                self.attempts.remove(0);
            }
            self.attempts.push(Attempt::new(&self.server));
        }
    }

    /// Tells those whose time is over.
    fn give_up_on_late(&mut self, now: Instant) {
        let timeout = self.server.timeout();
        let error = Arc::new(if self.links.is_empty() {
            Unavailable::NoConnection(timeout)
        } else {
            Unavailable::Timeout(timeout)
        });
        for asked in self.waiting.extract_if(.., |asked| asked.deadline <= now) {
            let error = Arc::clone(&error);
            drop(asked.answer.send(Err(Failed { error, may_be_done: asked.tries > 0 })));
        }
        for batch in self.links.iter_mut().flat_map(|held| held.under_way.values_mut()) {
            for (_, asked) in batch.asked.extract_if(.., |(_, asked)| asked.deadline <= now) {
                let error = Arc::new(Unavailable::Timeout(timeout));
                drop(asked.answer.send(Err(Failed { error, may_be_done: true })));
            }
        }
    }

    /// Has what a silent connection was asked asked again on another, if there is or may be one.
    fn find_silent(&mut self, now: Instant) {
        for index in 0..self.links.len() {
            let held = &mut self.links[index];
            let Some(oldest) = held.under_way.values().map(|batch| batch.since).min() else {
                continue;
            };
            if held.silent_since.is_none() && now >= oldest.max(held.heard) + self.patience {
                held.silent_since = Some(now);
            }
            let elsewhere = self.links.len() < L::MANNER.connections
                || self.links.iter().any(|held| held.silent_since.is_none());
            if L::MANNER.repeats && self.links[index].silent_since.is_some() && elsewhere {
                let batches = self.links[index].under_way.values_mut();
                let again = batches.flat_map(|batch| batch.asked.drain(..));
                let again: Vec<_> = again.map(|(_, asked)| asked).collect();
                self.waiting.splice(0..0, again);
            }
        }
    }

    /// Closes what is dead and what nobody needs.
    fn drop_useless(&mut self, now: Instant) {
        // The server ends what took too long and says so. If it does not, or cannot be told to, that
        // is a lock or a dead connection: one more backend left behind should be rare.
        let timeout = self.server.timeout();
        let is_dead = |held: &Held<L>| {
            held.silent_since.is_some_and(|since| {
                let limit = if held.link.ends_queries() { 2 * timeout } else { 20 * timeout };
                now > since + limit
            })
        };
        // A second one was only needed while the first was silent or busy.
        let idle = if self.links.len() > 1 { IDLE / 6 } else { IDLE };
        let is_idle = |held: &Held<L>| held.under_way.is_empty() && now >= held.heard + idle;
        let useless: Vec<_> =
            self.links.iter().map(|held| is_dead(held) || is_idle(held)).collect();
        let mut useless = useless.into_iter();
        let dropped: Vec<_> =
            self.links.extract_if(.., |_| useless.next().is_some_and(|useless| useless)).collect();
        let error: Arc<_> = Unavailable::Timeout(timeout).into();
        self.ask_again(dropped.into_iter().flat_map(Held::into_batches), error);
    }
}

impl Attempt {
    fn new(server: &Arc<Server>) -> Self {
        Self { since: Instant::now(), link: Box::pin(Link::connect(Arc::clone(server))) }
    }
}

impl<L: Lookup> Held<L> {
    fn new(link: Link) -> Self {
        Self {
            fastest: link.round_trip(),
            link: Arc::new(link),
            flights: FuturesUnordered::new(),
            under_way: BTreeMap::new(),
            silent_since: None,
            heard: Instant::now(),
        }
    }

    /// Whether it may be asked something now.
    fn is_free(&self) -> bool {
        let distance = self.fastest.as_micros() / NEAR.as_micros();
        let most = if L::MANNER.spreads { 1 } else { UNDER_WAY.min(1 + distance as usize) };
        self.silent_since.is_none() && self.flights.len() < most
    }

    fn fly(&mut self, number: u64, batch: Batch<L>, lookup: &Arc<L>) {
        let (link, lookup) = (Arc::clone(&self.link), Arc::clone(lookup));
        let keys = Arc::clone(&batch.keys);
        self.flights.push(Box::pin(async move { (number, ask(&*lookup, &link, &keys).await) }));
        self.under_way.insert(number, batch);
    }

    fn answered(&mut self, took: Duration) {
        self.silent_since = None;
        self.heard = Instant::now();
        // The database may have moved further away.
        self.fastest = took.min(self.fastest + (took.saturating_sub(self.fastest)) / 64);
    }

    fn into_batches(self) -> impl Iterator<Item = Batch<L>> {
        self.under_way.into_values()
    }
}

impl<L: Lookup> Batch<L> {
    /// The first who wait, and all who ask the same. `None` if they have all gone away.
    fn out_of(waiting: &mut Vec<Asked<L>>) -> Option<Self> {
        if let [_] = **waiting {
            let asked = waiting.pop().filter(|one| !one.answer.is_closed())?;
            let (keys, since) = (Arc::from([asked.key.clone()]), Instant::now());
            return Some(Self { keys, asked: vec![(0, asked)], since });
        }
        let mut keys = Vec::new();
        let mut indices = HashMap::new();
        let mut asked = Vec::new();
        let mut left = Vec::new();
        for one in waiting.drain(..).filter(|one| !one.answer.is_closed()) {
            let index = match indices.get(&one.key) {
                Some(index) => *index,
                None if keys.len() < L::MANNER.at_once => {
                    indices.insert(one.key.clone(), keys.len());
                    keys.push(one.key.clone());
                    keys.len() - 1
                }
                None => {
                    left.push(one);
                    continue;
                }
            };
            asked.push((index, one));
        }
        *waiting = left;
        let keys = keys.into();
        (!asked.is_empty()).then(|| Self { keys, asked, since: Instant::now() })
    }

    fn fail(self, failed: &Failed) {
        for (_, asked) in self.asked {
            drop(asked.answer.send(Err(failed.clone())));
        }
    }
}
