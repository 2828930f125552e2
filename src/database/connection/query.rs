//! A query, and what proves that an answer is the answer to it.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use crate::crypto::random_bytes;

/// The value of a parameter. Its `Debug` may reach a log: tokio-postgres shows parameters in its own,
/// at level debug.
pub(crate) type Parameter = Box<dyn ToSql + Sync + Send>;

/// Where the keys come from that are asked for, each with a row of its own: `ads_key`.
pub(crate) const ONE_KEY: &str = "(SELECT $1 AS ads_key) ads_keys";
pub(crate) const MANY_KEYS: &str = "unnest($1) ads_keys(ads_key)";

/// A query, with the types of its parameters.
///
/// The first column of its first row is a number that no other query has, drawn when it was made.
/// Behind a pooler, statements of several processes share their names: one that runs in place of this
/// query, be it of another site or another version of this one, does not know the number.
pub(crate) struct Query {
    pub(super) sql: String,
    pub(super) types: Vec<Type>,
    pub(super) proof: i64,
}

impl Query {
    /// `sql` makes the text. It is given what has to be the first column, in a row that always
    /// comes.
    pub(crate) fn new(types: &[Type], sql: impl FnOnce(&str) -> String) -> Arc<Self> {
        let proof = random();
        let sql = sql(&format!("{proof}::bigint AS ads_proof"));
        Arc::new(Self { sql, types: types.to_vec(), proof })
    }

    /// Asks for nothing but a key, as the type that this SQL makes of it.
    pub(crate) fn of_key(parameter: &Type, key: &str) -> Arc<Self> {
        let sql = |proof: &str| format!("SELECT {proof}, ({key})::text FROM {ONE_KEY}");
        Self::new(std::slice::from_ref(parameter), sql)
    }

    /// Whether these rows are the answer to this query.
    pub(super) fn is_answered_by(&self, rows: &[Row]) -> bool {
        rows.first().is_some_and(|row| row.try_get(0).ok() == Some(self.proof))
    }
}

/// With the parameters it is asked with.
#[derive(Clone)]
pub(crate) struct Question {
    pub(super) query: Arc<Query>,
    pub(super) parameters: Arc<[Parameter]>,
}

impl Question {
    pub(crate) fn new(query: &Arc<Query>, parameters: Vec<Parameter>) -> Self {
        Self { query: Arc::clone(query), parameters: parameters.into() }
    }
}

/// Clones of one are the same question.
impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.query, &other.query) && Arc::ptr_eq(&self.parameters, &other.parameters)
    }
}

impl Eq for Question {}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.query.proof.hash(state);
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("sql", &self.query.sql).finish_non_exhaustive()
    }
}

/// Positive, so that it needs no parentheses in SQL.
fn random() -> i64 {
    i64::from_be_bytes(random_bytes()) & i64::MAX
}
