//! Statements, their parameters, and the nonce that shows that rows are the answer to a statement.

use std::{error::Error as StdError, fmt, sync::Arc};

use bytes::BytesMut;
use tokio_postgres::{
    Row,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use crate::{crypto::random_bytes, session::SessionKey};

/// The value of a parameter. Its `Debug` must show no secret: tokio-postgres logs parameters at level
/// debug.
pub(crate) type Parameter = Box<dyn ToSql + Sync + Send>;

/// The FROM items with the keys of a query, one row for each: column `ads_key`.
pub(crate) const ONE_KEY: &str = "(SELECT $1 AS ads_key) ads_keys";
pub(crate) const MANY_KEYS: &str = "unnest($1) ads_keys(ads_key)";

/// More questions than one query ever carries.
const QUESTIONS: usize = 1 << 16;

/// A statement, with the types of its parameters.
///
/// The first column of its rows is a nonce, a random number drawn when the statement was made. Behind a
/// pooler, several processes share the names of prepared statements. A statement that runs in place of this
/// one, from another site or another version, does not return this nonce; if it returns no rows, that proves
/// nothing. A statement for many questions may add to it the index of the question that a row answers.
pub(crate) struct Statement {
    pub(super) sql: String,
    pub(super) types: Vec<Type>,
    pub(super) nonce: i64,
    no_rows: NoRows,
}

/// What an answer without rows means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoRows {
    /// It is the answer to another statement.
    Impossible,
    /// Nothing was found, or it is the answer to another statement: the caller asks in another way.
    Uncertain,
}

impl Statement {
    /// `sql` makes the text. Its argument is the nonce, a `bigint`: the first column of the SELECT, which must
    /// always return a row.
    pub(crate) fn new(types: &[Type], sql: impl FnOnce(&str) -> String) -> Arc<Self> {
        Self::make(types, sql, NoRows::Impossible)
    }

    /// As [`new`](Self::new), for a SELECT that may return no row. An answer without rows proves nothing.
    pub(super) fn of_found(types: &[Type], sql: impl FnOnce(&str) -> String) -> Arc<Self> {
        Self::make(types, sql, NoRows::Uncertain)
    }

    fn make(types: &[Type], sql: impl FnOnce(&str) -> String, no_rows: NoRows) -> Arc<Self> {
        let nonce = random();
        let sql = sql(&format!("{nonce}::bigint"));
        Arc::new(Self { sql, types: types.to_vec(), nonce, no_rows })
    }

    /// A statement that returns only a key, cast by this SQL.
    pub(crate) fn of_key(parameter: &Type, key: &str) -> Arc<Self> {
        let sql = |nonce: &str| format!("SELECT {nonce}, ({key})::text FROM {ONE_KEY}");
        Self::new(std::slice::from_ref(parameter), sql)
    }

    /// Adds the values of the parameters.
    pub(crate) fn with(self: &Arc<Self>, parameters: Vec<Parameter>) -> Query {
        Query { statement: Arc::clone(self), parameters }
    }

    /// Whether these rows may be the answer to this statement.
    pub(super) fn is_answered_by(&self, rows: &[Row]) -> bool {
        match rows.first() {
            Some(row) => self.index(row).is_some(),
            None => self.no_rows == NoRows::Uncertain,
        }
    }

    /// The index of the question that a row of this statement answers.
    pub(super) fn index(&self, row: &Row) -> Option<usize> {
        let nonce: i64 = row.try_get(0).ok()?;
        let index = usize::try_from(nonce.checked_sub(self.nonce)?).ok()?;
        (index < QUESTIONS).then_some(index)
    }
}

/// A statement with its parameters.
pub(crate) struct Query {
    pub(super) statement: Arc<Statement>,
    pub(super) parameters: Vec<Parameter>,
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("sql", &self.statement.sql).finish_non_exhaustive()
    }
}

/// Positive, so that it needs no parentheses in SQL, and with room for an index.
fn random() -> i64 {
    i64::from_be_bytes(random_bytes()) & (i64::MAX >> 1)
}

/// A session key. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct KeyParameter(Arc<str>);

impl KeyParameter {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key can share a query with others: some database encodings lack some characters.
    pub(super) fn is_batchable(&self) -> bool {
        self.0.is_ascii()
    }
}

impl From<&SessionKey> for KeyParameter {
    fn from(key: &SessionKey) -> Self {
        Self(Arc::clone(key.shared()))
    }
}

impl fmt::Debug for KeyParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyParameter(..)")
    }
}

impl ToSql for KeyParameter {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.as_str().to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// Session data, or an encoded password.
pub(super) struct SecretParameter(pub(super) String);

impl fmt::Debug for SecretParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretParameter(..)")
    }
}

impl ToSql for SecretParameter {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}
