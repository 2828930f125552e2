//! Kinds of questions that can be batched, and how the keys of one batch are asked.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::{BoxFuture, join_all};
use tokio_postgres::Row;

use super::{
    batch::{Job, Outcome},
    connection::Connection,
    kind::Kind,
    query_failure::{QueryFailure, is_no_such_value, may_be_one_row},
    statement::Query,
};
use crate::error::Unavailable;

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

    /// From how many callers on each batch has half of them. For fewer, a second query costs more than it
    /// gains.
    const HALVED: usize = 16;

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

/// The keys of one batch.
pub(super) struct Keys<B: Batched> {
    pub(super) batched: Arc<B>,
    pub(super) keys: Vec<B::Key>,
}

impl<B: Batched> Job for Keys<B> {
    type Answer = B::Answer;

    async fn ask(&self, connection: &Connection) -> Result<Vec<Outcome<B::Answer>>, QueryFailure> {
        if let [key] = &*self.keys {
            return Ok(vec![self.ask_for_one(connection, key).await?]);
        }
        let is_batchable = |key: &&B::Key| self.batched.is_batchable(key);
        let batchable = self.keys.iter().filter(is_batchable).count();
        if batchable < B::MANY {
            return self.ask_one_by_one(connection, &self.keys).await;
        }
        let failures = AtomicUsize::new(0);
        if batchable == self.keys.len() {
            return self.ask_together(connection, &self.keys, &failures).await;
        }
        let (together, alone): (Vec<_>, Vec<_>) =
            self.keys.iter().cloned().partition(|key| is_batchable(&key));
        let (reply, reply_alone) = Box::pin(futures_util::future::join(
            self.ask_together(connection, &together, &failures),
            self.ask_one_by_one(connection, &alone),
        ))
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
            match Box::pin(connection.query(&query)).await {
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
