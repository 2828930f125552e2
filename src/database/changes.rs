//! Statements that change rows, and how many they changed.

use std::{hash::Hash, sync::Arc};

use tokio::time::Instant;
use tokio_postgres::types::Type;
use tracing::{Instrument, Span};

use super::{
    Database,
    kind::Kind,
    statement::{Parameter, Statement},
};
use crate::error::{Error, Unavailable};

/// A statement that changes rows. `sql` is an INSERT, UPDATE or DELETE that returns each row it changed.
/// The statement returns one row with their number.
pub(super) fn change(types: &[Type], sql: &str) -> Arc<Statement> {
    Statement::new(types, |nonce| {
        format!("WITH changed AS ({sql}) SELECT {nonce}, count(*) FROM changed")
    })
}

impl Database {
    /// Executes a [`change`]. Returns how many rows it changed. Changes of one row are executed one after
    /// the other.
    ///
    /// If the answer is lost on its way, this fails although the statement may have been executed.
    pub(super) async fn changed(
        &self,
        (kind, row): (Kind, impl Hash),
        change: &Arc<Statement>,
        parameters: Vec<Parameter>,
        deadline: Instant,
        span: Span,
    ) -> Result<i64, Error> {
        let write = self.direct.write(kind, row, change.with(parameters), deadline);
        let rows = write.instrument(span).await?;
        let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
        Ok(row.try_get(1).map_err(Unavailable::from)?)
    }
}
