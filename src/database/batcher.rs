//! Batchers: each gathers the questions of one kind and asks them together, one query for a batch.
//!
//! While a query is in flight, further questions gather; the next query carries them. Callers only wait for
//! their answer: a caller that is paused, dropped or leaked stops no other one.

use std::{
    collections::{HashMap, VecDeque},
    future::{pending, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::{
    runtime::{Handle, Id},
    sync::{mpsc, oneshot},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    batch::{Batch, Caller, Outcome, Reply},
    batched::{Batched, Keys},
    pool::Pool,
};
use crate::error::Unavailable;

/// How many slow batches may be in flight.
const SLOW: usize = 2;

/// How many batches are in flight at a time if the database is far away. With one, callers would wait for
/// almost two round trips. A database that is near gets one at a time: the more questions gather, the
/// fewer queries it has to answer.
const TO_FAR_AWAY: usize = 4;

/// The batcher of one kind of question. It has a task on each runtime that asks, because a connection is
/// driven by the runtime that made it: a runtime that sleeps, or whose thread is blocked, delays only its
/// own requests.
pub(crate) struct Batcher<B: Batched> {
    batched: Arc<B>,
    pool: Arc<Pool>,
    tasks: Mutex<HashMap<Id, mpsc::UnboundedSender<Question<B>>>>,
}

type Question<B> = (<B as Batched>::Key, Caller<<B as Batched>::Answer>);

impl<B: Batched> Batcher<B> {
    pub(crate) fn new(batched: B, pool: Arc<Pool>) -> Self {
        Self { batched: Arc::new(batched), pool, tasks: Mutex::default() }
    }

    pub(super) fn batched(&self) -> &B {
        &self.batched
    }

    /// Asks for a key. Returns the answer, or an error by the deadline.
    pub(crate) async fn ask(&self, key: B::Key, deadline: Instant) -> Outcome<B::Answer> {
        let (answer, answered) = oneshot::channel();
        self.send((key, Caller { deadline, answer }))?;
        // If the task ends, no answer comes.
        answered.await.unwrap_or_else(|_| Err(Unavailable::NoRuntime.into()))
    }

    /// Gives a question to the task of this runtime, which its first question starts. A task that has ended
    /// is replaced: code of the application (its connector, its logger) runs in it and may panic. Then those
    /// of runtimes that have ended are forgotten too.
    fn send(&self, question: Question<B>) -> Result<(), Arc<Unavailable>> {
        let runtime = Handle::try_current().map_err(|_| Unavailable::NoRuntime)?;
        // The map is valid even after a panic elsewhere.
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let question = match tasks.get(&runtime.id()) {
            Some(task) => match task.send(question) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::SendError(question)) => question,
            },
            None => question,
        };
        tasks.retain(|_, task| !task.is_closed());
        let (task, questions) = mpsc::unbounded_channel();
        // The task receives it, or the caller sees that there is no answer.
        drop(task.send(question));
        tasks.insert(runtime.id(), task);
        runtime.spawn(run(Queue::new(Arc::clone(&self.batched), self.pool.clone()), questions));
        Ok(())
    }
}

/// The task. It keeps one batch in flight (several to a database that is far away), beside slow and large
/// ones.
async fn run<B: Batched>(mut queue: Queue<B>, mut questions: mpsc::UnboundedReceiver<Question<B>>) {
    let mut received = Vec::new();
    let mut under_way: Vec<UnderWay<B>> = Vec::new();
    let mut slow = FuturesUnordered::new();
    let mut large = FuturesUnordered::new();
    let mut alarm = Alarm::new();
    loop {
        let most = if queue.pool.server().is_far(B::KIND) { TO_FAR_AWAY } else { 1 };
        while under_way.len() < most
            && slow.len() < SLOW
            && let Some(mut batch) = queue.next(most)
        {
            let slow_at = batch.begin();
            under_way.push(UnderWay { batch, slow_at });
        }
        while large.is_empty()
            && let Some(batch) = queue.next_large()
        {
            large.push(batch.run());
        }
        let wake = under_way.iter().map(|each| each.slow_at).chain(queue.first_deadline).min();
        tokio::select! {
            biased;
            (batch, reply) = next_reply(&mut under_way) => {
                slow.extend(batch.receive(reply).map(Batch::run_slow));
            }
            Some(()) = slow.next() => {}
            Some(()) = large.next() => {}
            now = alarm.wait_until(wake) => {
                let now_slow = under_way.extract_if(.., |each| each.slow_at <= now);
                slow.extend(now_slow.map(|each| each.batch.run_slow()));
                if queue.first_deadline.is_some_and(|first| first <= now) {
                    queue.fail_late(now);
                }
            }
            count = questions.recv_many(&mut received, usize::MAX) => {
                if count == 0 {
                    return;
                }
                received.drain(..).for_each(|(key, caller)| queue.push(key, caller));
            }
        }
    }
}

/// A batch whose reply is expected soon.
struct UnderWay<B: Batched> {
    batch: Batch<Keys<B>>,
    /// From when on it counts as slow.
    slow_at: Instant,
}

/// Waits for the next reply, and takes its batch out. Never ends if there are none.
async fn next_reply<B: Batched>(
    under_way: &mut Vec<UnderWay<B>>,
) -> (Batch<Keys<B>>, Reply<Keys<B>>) {
    poll_fn(|cx| {
        for index in 0..under_way.len() {
            if let Poll::Ready(reply) = under_way[index].batch.poll_reply(cx) {
                return Poll::Ready((under_way.remove(index).batch, reply));
            }
        }
        Poll::Pending
    })
    .await
}

/// A timer that is set seldom. What it is set for has usually ended long before it rings: it stays set all the
/// same, and only then is it set for a later moment.
///
/// A timer of its own for each batch would be the first one of the runtime to ring. For such a one tokio
/// wakes the runtime from its next sleep, by a system call.
struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    fn new() -> Self {
        Self(Box::pin(sleep_until(Instant::now())))
    }

    /// Waits for that moment. Returns the time then. Never ends for `None`.
    async fn wait_until(&mut self, moment: Option<Instant>) -> Instant {
        let Some(moment) = moment else { return pending().await };
        loop {
            if self.0.is_elapsed() || moment < self.0.deadline() {
                self.0.as_mut().reset(moment);
            }
            self.0.as_mut().await;
            let now = Instant::now();
            if moment <= now {
                return now;
            }
        }
    }
}

/// The questions that have not been sent yet. Each is looked at once, however many they are.
struct Queue<B: Batched> {
    batched: Arc<B>,
    pool: Arc<Pool>,
    waiting: VecDeque<Question<B>>,
    /// The callers of each key whose answer was large the last time, and these keys in order.
    large: HashMap<B::Key, Vec<Caller<B::Answer>>>,
    large_keys: VecDeque<B::Key>,
    /// No deadline is earlier. It may be that of a question that has been sent since.
    first_deadline: Option<Instant>,
    /// How many keys the last batch had: about as many callers will ask again.
    last: usize,
}

impl<B: Batched> Queue<B> {
    fn new(batched: Arc<B>, pool: Arc<Pool>) -> Self {
        Self {
            batched,
            pool,
            waiting: VecDeque::new(),
            large: HashMap::new(),
            large_keys: VecDeque::new(),
            first_deadline: None,
            last: 0,
        }
    }

    fn push(&mut self, key: B::Key, caller: Caller<B::Answer>) {
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

    /// The next batch: the first questions, each key once. `None` if all callers have gone away.
    fn next(&mut self, in_flight: usize) -> Option<Batch<Keys<B>>> {
        let at_once = self.at_once(in_flight);
        // Reserved at once: a vector that grows is copied again and again.
        let most = self.waiting.len().min(at_once);
        let mut keys: Vec<B::Key> = Vec::with_capacity(most);
        let mut indices: HashMap<B::Key, usize> = HashMap::new();
        let mut callers = Vec::with_capacity(most);
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
                        indices.reserve(most);
                        indices.insert(first.clone(), 0);
                    }
                    *indices.entry(key.clone()).or_insert(next)
                }
            };
            if index == at_once {
                self.waiting.push_front((key, caller));
                break;
            }
            if index == next {
                keys.push(key);
            }
            callers.push((index, caller));
        }
        if !keys.is_empty() {
            self.last = keys.len();
        }
        self.batch(keys, callers)
    }

    /// How many keys the next batch may have, if this many batches are in flight at a time.
    ///
    /// With one, it is half of the callers there are: those who wait, and those who were answered last. If one
    /// batch had them all, this process would wait while the database works, and the other way round.
    fn at_once(&self, in_flight: usize) -> usize {
        let callers = self.waiting.len() + self.last;
        match in_flight {
            1 if callers >= B::HALVED => callers.div_ceil(2).min(B::AT_ONCE),
            _ => B::AT_ONCE,
        }
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

    fn fail_late(&mut self, now: Instant) {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use super::*;
    use crate::database::test_server::{LARGE, Mood, TestServer, TestTable};

    /// Ten times as many questions may take fifty times as long, but not the hundred times of a square.
    /// The quickest of five attempts counts: a busy machine takes processor time from all.
    #[test]
    fn a_queue_of_large_questions_takes_linear_time() {
        const COUNT: usize = 5_000;

        let takes = |count: usize| {
            let mut queue =
                Queue::new(TestTable::new().into(), TestServer::new().pool(Duration::MAX, 8));
            let mut answers = Vec::new();
            let start: Duration = clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap();
            for number in 0..count {
                let (answer, answered) = oneshot::channel();
                let deadline = Instant::now();
                queue.push(LARGE + number as i64, Caller { deadline, answer });
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
            Queue::new(TestTable::new().into(), TestServer::new().pool(Duration::from_secs(4), 8));
        let mut push = |key: i64, seconds: u64| {
            let (answer, answered) = oneshot::channel();
            let deadline = Instant::now() + Duration::from_secs(seconds);
            queue.push(key, Caller { deadline, answer });
            answered
        };
        let mut late = push(LARGE, 1);
        let in_time = [push(LARGE + 2, 4), push(LARGE + 1, 4), push(LARGE + 2, 4)];
        drop(push(LARGE + 3, 4));
        tokio::time::advance(Duration::from_secs(1)).await;
        queue.fail_late(Instant::now());
        assert!(late.try_recv().unwrap().is_err());
        assert_eq!(queue.first_deadline, Some(Instant::now() + Duration::from_secs(3)));
        let keys: Vec<_> = std::iter::from_fn(|| queue.next_large())
            .map(|batch| (batch.job.keys.clone(), batch.callers.len()))
            .collect();
        assert_eq!(keys, [(vec![LARGE + 2], 2), (vec![LARGE + 1], 1)]);
        drop(in_time);
        assert!(queue.first_deadline.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_has_half_of_the_callers_there_are() {
        let mut queue =
            Queue::new(TestTable::new().into(), TestServer::new().pool(Duration::from_secs(4), 8));
        let mut answers = Vec::new();
        let mut sizes = |count: i64, in_flight: usize| {
            for key in 0..count {
                let (answer, answered) = oneshot::channel();
                queue.push(key, Caller { deadline: Instant::now(), answer });
                answers.push(answered);
            }
            let batches = std::iter::from_fn(|| queue.next(in_flight));
            batches.map(|batch| batch.job.keys.len()).collect::<Vec<_>>()
        };
        // The same few ask again and again: there is nothing to halve.
        for _ in 0..3 {
            assert_eq!(sizes(7, 1), [7]);
        }
        // Those who came together after a pause take two batches.
        assert_eq!(sizes(100, 1), [54, 46]);
        assert_eq!(sizes(1, 1), [1]);
        // They are evened out although one batch had almost all of them.
        assert_eq!(sizes(31, 1), [16, 15]);
        assert_eq!(sizes(1_000, 1), [256, 256, 256, 232]);
        // With several in flight, others wait for none of them.
        assert_eq!(sizes(100, 4), [100]);
    }

    #[test]
    fn the_task_of_a_runtime_that_has_ended_is_forgotten() {
        let server = TestServer::new();
        let batcher = Batcher::new(TestTable::new(), server.pool(Duration::from_secs(4), 8));
        for _ in 0..3 {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for key in 0..2 {
                let deadline = Instant::now() + Duration::from_secs(4);
                assert!(runtime.block_on(batcher.ask(key, deadline)).is_ok());
            }
            assert_eq!(batcher.tasks.lock().unwrap().len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_panicked_is_followed_by_another_one() {
        const TIMEOUT: Duration = Duration::from_secs(4);

        let server = TestServer::new();
        server.set(Mood::Answers, Mood::Panics);
        let batcher = Batcher::new(TestTable::new(), server.pool(TIMEOUT, 8));
        let ask = async || batcher.ask(1, Instant::now() + TIMEOUT).await.is_ok();
        assert!(!ask().await);
        server.set(Mood::Swallows, Mood::Answers);
        assert!(ask().await && ask().await);
        assert_eq!(server.accepted(), 1);
    }
}
