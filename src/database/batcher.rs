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
        let queue = Queue::new(batched, pool);
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

/// The questions that have not been sent yet. Each is looked at once, however many they are.
struct Queue<B: Batched> {
    batched: Arc<B>,
    pool: Pool,
    waiting: VecDeque<Question<B>>,
    /// The callers of each key whose answer was large the last time, and these keys in order.
    large: HashMap<B::Key, Vec<Caller<B::Answer>>>,
    large_keys: VecDeque<B::Key>,
    /// No deadline is earlier. It may be that of a question that has been sent since.
    first_deadline: Option<Instant>,
}

impl<B: Batched> Queue<B> {
    fn new(batched: Arc<B>, pool: Pool) -> Self {
        Self {
            batched,
            pool,
            waiting: VecDeque::new(),
            large: HashMap::new(),
            large_keys: VecDeque::new(),
            first_deadline: None,
        }
    }

    fn push(&mut self, (key, caller): Question<B>) {
        let first = self.first_deadline.map_or(caller.deadline, |first| first.min(caller.deadline));
        self.first_deadline = Some(first);
        if !self.batched.is_large(&key) {
            return self.waiting.push_back((key, caller));
        }
        let callers = self.large.entry(key.clone()).or_insert_with(|| {
            self.large_keys.push_back(key);
            Vec::new()
        });
        callers.push(caller);
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
                        indices.reserve((2 + self.waiting.len()).min(B::AT_ONCE));
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
        self.batch(keys, callers)
    }

    /// The next large question, with all that ask the same.
    fn next_large(&mut self) -> Option<Batch<Keys<B>>> {
        while let Some(key) = self.large_keys.pop_front() {
            let callers = self.large.remove(&key).unwrap_or_default().into_iter();
            let callers: Vec<_> = callers
                .filter(|caller| !caller.answer.is_closed())
                .map(|caller| (0, caller))
                .collect();
            if let Some(batch) = self.batch(vec![key], callers) {
                return Some(batch);
            }
        }
        None
    }

    fn batch(
        &mut self,
        keys: Vec<B::Key>,
        callers: Vec<(usize, Caller<B::Answer>)>,
    ) -> Option<Batch<Keys<B>>> {
        if self.waiting.is_empty() && self.large_keys.is_empty() {
            self.first_deadline = None;
        }
        let keys = Keys { batched: Arc::clone(&self.batched), keys };
        (!callers.is_empty()).then(|| Batch::new(&self.pool, B::KIND, keys, callers))
    }

    fn fail_late(&mut self) {
        let now = Instant::now();
        let error = self.pool.why_late();
        let is_late = |caller: &Caller<B::Answer>| caller.deadline <= now;
        let (late, others): (VecDeque<_>, _) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(_, caller)| is_late(caller));
        self.waiting = others;
        let late = late.into_iter().map(|(_, caller)| caller);
        let large = self.large.values_mut();
        let large = large.flat_map(|callers| callers.extract_if(.., |caller| is_late(caller)));
        for caller in late.chain(large) {
            drop(caller.answer.send(Err(Arc::clone(&error))));
        }
        let waiting = self.waiting.iter().map(|(_, caller)| caller);
        let left = waiting.chain(self.large.values().flatten());
        self.first_deadline = left.map(|caller| caller.deadline).min();
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use super::*;
    use crate::database::test_server::{LARGE, TestServer, TestTable};

    /// Ten times as many questions may take fifty times as long, but not the hundred times of a square.
    /// The quickest of five attempts counts: a busy machine takes processor time from all.
    #[test]
    fn a_queue_of_large_questions_takes_linear_time() {
        const COUNT: usize = 5_000;

        let takes = |count: usize| {
            let mut queue = Queue::new(TestTable::new(), TestServer::new().pool(Duration::MAX, 8));
            let mut answers = Vec::new();
            let start: Duration = clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap();
            for number in 0..count {
                let (answer, answered) = oneshot::channel();
                let deadline = Instant::now();
                queue.push((LARGE + number as i64, Caller { deadline, answer }));
                answers.push(answered);
            }
            for _ in 0..count {
                assert!(queue.next_large().is_some());
            }
            assert!(queue.next_large().is_none() && queue.first_deadline.is_none());
            Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap() - start
        };
        let quickest = |count| (0..5).map(|_| takes(count)).min().unwrap();
        let (less, more) = (quickest(COUNT / 10), quickest(COUNT));
        assert!(more < less * 50, "{COUNT} take {more:?}, a tenth of them {less:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn large_questions_are_asked_in_order_and_each_key_once() {
        let mut queue =
            Queue::new(TestTable::new(), TestServer::new().pool(Duration::from_secs(4), 8));
        let mut push = |key: i64, seconds: u64| {
            let (answer, answered) = oneshot::channel();
            let deadline = Instant::now() + Duration::from_secs(seconds);
            queue.push((key, Caller { deadline, answer }));
            answered
        };
        let mut late = push(LARGE, 1);
        let in_time = [push(LARGE + 2, 4), push(LARGE + 1, 4), push(LARGE + 2, 4)];
        drop(push(LARGE + 3, 4));
        tokio::time::advance(Duration::from_secs(1)).await;
        queue.fail_late();
        assert!(late.try_recv().unwrap().is_err());
        assert_eq!(queue.first_deadline, Some(Instant::now() + Duration::from_secs(3)));
        let keys: Vec<_> = std::iter::from_fn(|| queue.next_large())
            .map(|batch| (batch.job.keys.clone(), batch.callers.len()))
            .collect();
        assert_eq!(keys, [(vec![LARGE + 2], 2), (vec![LARGE + 1], 1)]);
        drop(in_time);
        assert!(queue.first_deadline.is_none());
    }
}
