//! Batchers: each gathers the questions of one runtime and asks them together, one query for a batch.
//!
//! While a query is in flight, further questions gather; the next query carries all of them. Callers only
//! wait for their answer: a caller that is paused, dropped or leaked stops no other one.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{
    future::{BoxFuture, join_all},
    stream::{FuturesUnordered, StreamExt},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_postgres::Row;

use super::{
    batch::{Batch, Caller, Job, Outcome},
    connection::{Connection, QueryFailure, is_no_such_value, may_be_one_row},
    kind::Kind,
    pool::Pool,
    statement::Query,
};
use crate::error::Unavailable;

/// How many slow batches may be in flight.
const SLOW: usize = 2;

/// How many batches are in flight at a time if the database is far away. With one, callers would wait for
/// almost two round trips. A database that is near gets one at a time: the more questions gather, the
/// fewer queries it has to answer.
const TO_FAR_AWAY: usize = 4;

/// After how many failed halves the rest is asked one by one: a query for many keys may read every row.
const BAD_ROWS: usize = 16;

/// A kind of question that can be batched: the session with a key, the user with an id.
pub(crate) trait Batched: Send + Sync + 'static {
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    type Answer: Clone + Send + 'static;

    const KIND: Kind;

    /// How many keys one query may carry.
    const AT_ONCE: usize = 256;

    /// From how many keys on they go into one query. Fewer are sent as single queries in flight at the
    /// same time.
    const MANY: usize = 4;

    /// The query for one key.
    fn one(&self, key: &Self::Key) -> Query;

    /// The query for many keys.
    fn many(&self, keys: &[Self::Key]) -> Query;

    /// Whether a key can share a query with others. A key that may make the server refuse the whole query
    /// cannot.
    fn is_batchable(&self, _: &Self::Key) -> bool {
        true
    }

    /// Whether the answer for this key was large the last time. Other callers do not wait for such an
    /// answer.
    fn is_large(&self, _: &Self::Key) -> bool {
        false
    }

    /// The answers in these rows, one for each key. `None`: the rows do not answer this key.
    fn read(&self, keys: &[Self::Key], rows: Vec<Row>) -> Vec<Option<Self::Answer>>;

    /// A query that asks for nothing but the key, and the answer to give if the server refuses even that:
    /// no row can have such a key. `None` if this kind has no such query.
    fn by_itself(&self, key: &Self::Key) -> Option<(Query, Self::Answer)>;
}

/// The handle of a batcher. Dropping it ends the task.
pub(crate) struct Batcher<B: Batched> {
    questions: mpsc::UnboundedSender<Question<B>>,
}

type Question<B> = (<B as Batched>::Key, Caller<<B as Batched>::Answer>);

impl<B: Batched> Batcher<B> {
    /// Starts a batcher on the current runtime.
    pub(crate) fn start(batched: Arc<B>, pool: Pool) -> Self {
        let (questions, receiver) = mpsc::unbounded_channel();
        let queue = Queue {
            batched,
            pool,
            waiting: VecDeque::new(),
            large: VecDeque::new(),
            first_deadline: None,
        };
        drop(tokio::spawn(run(queue, receiver)));
        Self { questions }
    }

    /// Whether its runtime has ended or its task has panicked.
    pub(crate) fn is_over(&self) -> bool {
        self.questions.is_closed()
    }

    /// Asks for a key. Returns the answer, or an error by the deadline.
    pub(crate) async fn ask(&self, key: B::Key, deadline: Instant) -> Outcome<B::Answer> {
        let (answer, answered) = oneshot::channel();
        // If the task is over, no answer comes.
        drop(self.questions.send((key, Caller { deadline, answer })));
        answered.await.unwrap_or_else(|_| Err(Unavailable::NoRuntime.into()))
    }
}

/// The task. It keeps one batch in flight (several to a database that is far away), beside slow and large
/// ones.
async fn run<B: Batched>(mut queue: Queue<B>, mut questions: mpsc::UnboundedReceiver<Question<B>>) {
    let mut received = Vec::new();
    let mut under_way = FuturesUnordered::new();
    let mut slow = FuturesUnordered::new();
    let mut large = FuturesUnordered::new();
    loop {
        let most = if queue.pool.latency(B::KIND).is_far() { TO_FAR_AWAY } else { 1 };
        while under_way.len() < most
            && slow.len() < SLOW
            && let Some(batch) = queue.next()
        {
            under_way.push(batch.begin());
        }
        while large.is_empty()
            && let Some(batch) = queue.next_large()
        {
            large.push(batch.run());
        }
        let late = queue.first_deadline;
        tokio::select! {
            biased;
            Some(silent) = under_way.next() => slow.extend(silent.map(Batch::run_slow)),
            Some(()) = slow.next() => {}
            Some(()) = large.next() => {}
            count = questions.recv_many(&mut received, usize::MAX) => {
                if count == 0 {
                    return;
                }
                received.drain(..).for_each(|question| queue.push(question));
            }
            () = sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => {
                queue.fail_late();
            }
        }
    }
}

/// The questions that have not been sent yet.
struct Queue<B: Batched> {
    batched: Arc<B>,
    pool: Pool,
    waiting: VecDeque<Question<B>>,
    /// Questions whose answer was large the last time.
    large: VecDeque<Question<B>>,
    first_deadline: Option<Instant>,
}

impl<B: Batched> Queue<B> {
    fn push(&mut self, question: Question<B>) {
        let deadline = question.1.deadline;
        self.first_deadline =
            Some(self.first_deadline.map_or(deadline, |first| first.min(deadline)));
        let line =
            if self.batched.is_large(&question.0) { &mut self.large } else { &mut self.waiting };
        line.push_back(question);
    }

    /// The next batch: the first questions, and all that ask the same. `None` if all callers have gone
    /// away.
    fn next(&mut self) -> Option<Batch<Keys<B>>> {
        let mut keys: Vec<B::Key> = Vec::new();
        let mut indices: HashMap<B::Key, usize> = HashMap::new();
        let mut callers = Vec::new();
        while let Some((key, caller)) = self.waiting.pop_front() {
            if caller.answer.is_closed() {
                continue;
            }
            let next = keys.len();
            let index = match &*keys {
                [] => next,
                // A single key needs no table of indices.
                [first] if *first == key => 0,
                [first, ..] => {
                    if indices.is_empty() {
                        indices.insert(first.clone(), 0);
                    }
                    *indices.entry(key.clone()).or_insert(next)
                }
            };
            if index == B::AT_ONCE {
                self.waiting.push_front((key, caller));
                break;
            }
            if index == next {
                keys.push(key);
            }
            callers.push((index, caller));
        }
        self.update_first_deadline();
        self.batch(keys, callers)
    }

    /// The next large question, with all that ask the same.
    fn next_large(&mut self) -> Option<Batch<Keys<B>>> {
        let (key, first) = self.large.pop_front()?;
        let mut callers = vec![(0, first)];
        for (other, caller) in std::mem::take(&mut self.large) {
            if other == key {
                callers.push((0, caller));
            } else {
                self.large.push_back((other, caller));
            }
        }
        callers.retain(|(_, caller)| !caller.answer.is_closed());
        self.update_first_deadline();
        self.batch(vec![key], callers)
    }

    fn batch(
        &self,
        keys: Vec<B::Key>,
        callers: Vec<(usize, Caller<B::Answer>)>,
    ) -> Option<Batch<Keys<B>>> {
        let keys = Keys { batched: Arc::clone(&self.batched), keys };
        (!callers.is_empty()).then(|| Batch::new(&self.pool, B::KIND, keys, callers))
    }

    fn update_first_deadline(&mut self) {
        let all = self.waiting.iter().chain(&self.large);
        self.first_deadline = all.map(|(_, callers)| callers.deadline).min();
    }

    fn fail_late(&mut self) {
        let now = Instant::now();
        let error = self.pool.why_late();
        for line in [&mut self.waiting, &mut self.large] {
            let (late, others): (VecDeque<_>, _) =
                std::mem::take(line).into_iter().partition(|(_, callers)| callers.deadline <= now);
            *line = others;
            for (_, callers) in late {
                drop(callers.answer.send(Err(Arc::clone(&error))));
            }
        }
        self.update_first_deadline();
    }
}

/// The keys of one batch.
struct Keys<B: Batched> {
    batched: Arc<B>,
    keys: Vec<B::Key>,
}

impl<B: Batched> Job for Keys<B> {
    type Answer = B::Answer;

    async fn ask(&self, connection: &Connection) -> Result<Vec<Outcome<B::Answer>>, QueryFailure> {
        if let [key] = &*self.keys {
            return Ok(vec![self.ask_for_one(connection, key).await?]);
        }
        let is_batchable = |key: &&B::Key| self.batched.is_batchable(key);
        let (together, alone): (Vec<_>, Vec<_>) = self.keys.iter().partition(is_batchable);
        if together.len() < B::MANY {
            return self.ask_one_by_one(connection, &self.keys).await;
        }
        let failures = AtomicUsize::new(0);
        if alone.is_empty() {
            return self.ask_together(connection, &self.keys, &failures).await;
        }
        let together: Vec<_> = together.into_iter().cloned().collect();
        let alone: Vec<_> = alone.into_iter().cloned().collect();
        let (reply, reply_alone) = futures_util::future::join(
            self.ask_together(connection, &together, &failures),
            self.ask_one_by_one(connection, &alone),
        )
        .await;
        let mut outcomes: HashMap<_, _> = together.into_iter().zip(reply?).collect();
        outcomes.extend(alone.into_iter().zip(reply_alone?));
        Ok(self.keys.iter().map(|key| outcomes.remove(key).unwrap_or_else(no_answer)).collect())
    }
}

impl<B: Batched> Keys<B> {
    /// Asks for all keys in one query. If one row makes that fail, halves are tried to find it.
    async fn ask_together(
        &self,
        connection: &Connection,
        keys: &[B::Key],
        failures: &AtomicUsize,
    ) -> Result<Vec<Outcome<B::Answer>>, QueryFailure> {
        match connection.query(&self.batched.many(keys)).await {
            Ok(rows) => Ok(self.batched.read(keys, rows).into_iter().map(found).collect()),
            Err(QueryFailure::Refused(error)) if may_be_one_row(error.code()) => {
                if failures.fetch_add(1, Ordering::Relaxed) > BAD_ROWS {
                    return self.ask_one_by_one(connection, keys).await;
                }
                let (one, other) = keys.split_at(keys.len() / 2);
                let mut outcomes = self.ask_half(connection, one, failures).await?;
                outcomes.extend(self.ask_half(connection, other, failures).await?);
                Ok(outcomes)
            }
            Err(failure) => Err(failure),
        }
    }

    fn ask_half<'a>(
        &'a self,
        connection: &'a Connection,
        keys: &'a [B::Key],
        failures: &'a AtomicUsize,
    ) -> BoxFuture<'a, Result<Vec<Outcome<B::Answer>>, QueryFailure>> {
        Box::pin(async move {
            if keys.len() < B::MANY {
                return self.ask_one_by_one(connection, keys).await;
            }
            self.ask_together(connection, keys, failures).await
        })
    }

    /// Asks for each key in a query of its own, all in flight at the same time.
    async fn ask_one_by_one(
        &self,
        connection: &Connection,
        keys: &[B::Key],
    ) -> Result<Vec<Outcome<B::Answer>>, QueryFailure> {
        let callers = keys.iter().map(|key| self.ask_for_one(connection, key));
        join_all(callers).await.into_iter().collect()
    }

    async fn ask_for_one(
        &self,
        connection: &Connection,
        key: &B::Key,
    ) -> Result<Outcome<B::Answer>, QueryFailure> {
        let error = match connection.query(&self.batched.one(key)).await {
            Ok(rows) => {
                let answers = self.batched.read(std::slice::from_ref(key), rows);
                return Ok(found(answers.into_iter().next().flatten()));
            }
            Err(QueryFailure::Refused(error)) => error,
            Err(failure) => return Err(failure),
        };
        // The server refused the key, or a value in a row.
        if is_no_such_value(error.code())
            && let Some((query, nothing)) = self.batched.by_itself(key)
        {
            match connection.query(&query).await {
                Err(QueryFailure::Refused(error)) if is_no_such_value(error.code()) => {
                    return Ok(Ok(nothing));
                }
                Err(QueryFailure::Lost(lost)) => return Err(QueryFailure::Lost(lost)),
                _ => {}
            }
        }
        Ok(Err(Unavailable::from(error).into()))
    }
}

fn found<A>(answer: Option<A>) -> Outcome<A> {
    answer.ok_or_else(|| Unavailable::WrongAnswer.into())
}

fn no_answer<A>() -> Outcome<A> {
    found(None)
}
