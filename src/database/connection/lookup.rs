//! A kind of question that many may ask at once, and how it is asked.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use futures_util::future::join_all;
use tokio_postgres::{Row, error::SqlState};

use super::{
    Question,
    link::{Failure, Link},
};
use crate::error::Unavailable;

/// One kind of question: the session with a key, the user with an id.
pub(crate) trait Lookup: Send + Sync + 'static {
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    type Answer: Clone + Send + 'static;

    const MANNER: Manner;

    /// Asks for one key.
    fn one(&self, key: &Self::Key) -> Question;

    /// Asks for many keys at once. Not called where the manner is to ask one at a time.
    fn many(&self, keys: &[Self::Key]) -> Question;

    /// Whether a key can be asked for together with others: one that may make the server refuse the
    /// whole question cannot.
    fn is_sociable(&self, _: &Self::Key) -> bool {
        true
    }

    /// The answers in these rows, one for each key. `None` where there is none: then the rows are not
    /// what was asked for.
    fn read(&self, keys: &[Self::Key], rows: Vec<Row>) -> Vec<Option<Self::Answer>>;

    /// Asks for a key by itself, and says what it means if the server does not even take that: no row
    /// can have it. `None` where there is no such key.
    fn by_itself(&self, key: &Self::Key) -> Option<(Question, Self::Answer)>;
}

/// How questions of a kind are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// How many keys one query may carry.
    pub(crate) at_once: usize,
    /// From how many on it is one query, and not several on their way at the same time.
    pub(crate) many: usize,
    /// How many connections a runtime may have for this at a time.
    pub(crate) connections: usize,
    /// Whether another connection is made when all are busy, and not only when they are silent.
    pub(crate) spreads: bool,
    /// Whether a question that may have been answered can be asked again.
    pub(crate) repeats: bool,
}

/// What became of one key.
pub(super) type Outcome<A> = Result<A, Arc<Unavailable>>;

/// Asks for all of these keys on one connection.
pub(super) async fn ask<L: Lookup>(
    lookup: &L,
    link: &Link,
    keys: &[L::Key],
) -> Result<Vec<Outcome<L::Answer>>, Failure> {
    let sociable: Vec<_> = keys.iter().filter(|key| lookup.is_sociable(key)).cloned().collect();
    if sociable.len() < L::MANNER.many {
        return ask_one_by_one(lookup, link, keys).await;
    }
    if sociable.len() == keys.len() {
        return ask_together(lookup, link, keys).await;
    }
    let alone: Vec<_> = keys.iter().filter(|key| !lookup.is_sociable(key)).cloned().collect();
    let (together, one_by_one) = futures_util::future::join(
        ask_together(lookup, link, &sociable),
        ask_one_by_one(lookup, link, &alone),
    )
    .await;
    let mut outcomes: HashMap<_, _> = sociable.into_iter().zip(together?).collect();
    outcomes.extend(alone.into_iter().zip(one_by_one?));
    let no_answer = || Err(Unavailable::NoAnswer.into());
    Ok(keys.iter().map(|key| outcomes.remove(key).unwrap_or_else(no_answer)).collect())
}

async fn ask_together<L: Lookup>(
    lookup: &L,
    link: &Link,
    keys: &[L::Key],
) -> Result<Vec<Outcome<L::Answer>>, Failure> {
    match link.ask(&lookup.many(keys)).await {
        Ok(rows) => Ok(lookup.read(keys, rows).into_iter().map(proven).collect()),
        // One of them spoils it for all: which one?
        Err(Failure::Refused(error)) if is_no_such_value(error.code()) => {
            ask_one_by_one(lookup, link, keys).await
        }
        Err(failure) => Err(failure),
    }
}

/// All are on their way at the same time.
async fn ask_one_by_one<L: Lookup>(
    lookup: &L,
    link: &Link,
    keys: &[L::Key],
) -> Result<Vec<Outcome<L::Answer>>, Failure> {
    match keys {
        [key] => Ok(vec![ask_for_one(lookup, link, key).await?]),
        _ => {
            let asked = keys.iter().map(|key| ask_for_one(lookup, link, key));
            join_all(asked).await.into_iter().collect()
        }
    }
}

async fn ask_for_one<L: Lookup>(
    lookup: &L,
    link: &Link,
    key: &L::Key,
) -> Result<Outcome<L::Answer>, Failure> {
    match link.ask(&lookup.one(key)).await {
        Ok(rows) => {
            let answers = lookup.read(std::slice::from_ref(key), rows);
            Ok(proven(answers.into_iter().next().flatten()))
        }
        Err(Failure::Refused(error)) if is_no_such_value(error.code()) => {
            // The key may be to blame, or a value in a row that is there.
            let Some((question, nothing)) = lookup.by_itself(key) else {
                return Ok(Err(Unavailable::from(error).into()));
            };
            match link.ask(&question).await {
                Err(Failure::Refused(error)) if is_no_such_value(error.code()) => Ok(Ok(nothing)),
                Err(Failure::Lost(lost)) => Err(Failure::Lost(lost)),
                _ => Ok(Err(Unavailable::from(error).into())),
            }
        }
        Err(Failure::Refused(error)) => Ok(Err(Unavailable::from(error).into())),
        Err(failure) => Err(failure),
    }
}

fn proven<A>(answer: Option<A>) -> Outcome<A> {
    answer.ok_or_else(|| Unavailable::NoAnswer.into())
}

/// Whether the server says that no column can hold such a value: the text is none of its type, its
/// encoding lacks a character, a domain forbids it. No row has it then, and nothing is out of order.
pub(crate) fn is_no_such_value(code: Option<&SqlState>) -> bool {
    // The classes "data exception" and "integrity constraint violation".
    code.is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("23"))
}
