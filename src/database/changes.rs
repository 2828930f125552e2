//! Statements that change rows, and how many they changed.

use std::sync::Arc;

use tokio_postgres::types::Type;
use tracing::{Instrument, Span};

use super::{
    Database,
    connection::{Parameter, Query, Question},
};
use crate::error::{Error, Unavailable};

/// A query that changes rows. `sql` is an INSERT, UPDATE or DELETE that returns each row it changed;
/// whatever it changes, the query answers with one row: how many those were.
pub(super) fn change(types: &[Type], sql: &str) -> Arc<Query> {
    Query::new(types, |proof| {
        format!("WITH changed AS ({sql}) SELECT {proof}, count(*) FROM changed")
    })
}

impl Database {
    /// How many rows a [`change`] changed.
    pub(super) async fn changed(
        &self,
        change: &Arc<Query>,
        parameters: Vec<Parameter>,
        span: Span,
    ) -> Result<i64, Error> {
        let write = self.write(Question::new(change, parameters), self.deadline());
        let rows = write.instrument(span).await?;
        let row = rows.first().ok_or(Unavailable::NoAnswer)?;
        Ok(row.try_get(1).map_err(Unavailable::from)?)
    }
}
