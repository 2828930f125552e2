//! Why a query was not answered, and whether it may be asked again.

use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::{
    Error,
    error::{DbError, Severity, SqlState},
};

use super::kind::Kind;
use crate::error::Unavailable;

/// Why a query was not answered.
pub(super) enum QueryFailure {
    /// The connection is gone or cannot be trusted any more. Another one may answer.
    Lost(Option<Error>),
    /// The server executed nothing, and may execute the same query later.
    Retry(Error),
    /// The server executed nothing, for a reason that a new connection may not have.
    Stale,
    /// The server refuses this query.
    Refused(Error),
    /// There is no connection.
    NoConnection(Arc<Unavailable>),
}

impl QueryFailure {
    /// What the server's error says. `is_old`: another connection may not get the same.
    pub(super) fn of(error: Error, is_old: bool) -> Self {
        let Some(code) = error.code() else { return Self::Lost(Some(error)) };
        match code.code() {
            // Serialization failure, deadlock, lock timeout: nothing was executed.
            "40001" | "40P01" | "55P03" => Self::Retry(error),
            // Read-only server; a right, a role or a database that is gone.
            "25006" | "42501" if is_old => Self::Stale,
            code if is_old && (code.starts_with("28") || code.starts_with("3D")) => Self::Stale,
            _ => Self::Refused(error),
        }
    }

    /// Whether the server executed nothing and may execute the same query later.
    pub(super) fn is_retryable(&self, kind: Kind) -> bool {
        match self {
            Self::Stale => true,
            Self::Retry(error) => {
                kind.waits_for_locks() || error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE)
            }
            Self::Lost(_) | Self::Refused(_) | Self::NoConnection(_) => false,
        }
    }
}

impl From<QueryFailure> for Arc<Unavailable> {
    fn from(failure: QueryFailure) -> Self {
        match failure {
            QueryFailure::Lost(None) | QueryFailure::Stale => Unavailable::WrongAnswer.into(),
            QueryFailure::Lost(Some(error))
            | QueryFailure::Retry(error)
            | QueryFailure::Refused(error) => Unavailable::from(error).into(),
            QueryFailure::NoConnection(error) => error,
        }
    }
}

/// Whether the server says that no column can hold such a value: the text is not of the type, the encoding
/// lacks a character, a domain forbids it. Then no row has the value, and nothing is out of order.
pub(super) fn is_no_such_value(code: Option<&SqlState>) -> bool {
    // The classes "data exception" and "integrity constraint violation".
    code.is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("23"))
}

/// Whether a single row may be the reason why a query for many keys fails.
pub(super) fn may_be_one_row(code: Option<&SqlState>) -> bool {
    // Besides values: functions, triggers and policies that raise, damaged pages, a row too large for the
    // memory of the server.
    let is_of_a_row = |code: &SqlState| {
        ["39", "XX", "P0"].iter().any(|class| code.code().starts_with(class))
            || *code == SqlState::OUT_OF_MEMORY
    };
    is_no_such_value(code) || code.is_some_and(is_of_a_row)
}

/// Whether another client's statement may have run under the name of ours and caused this error: an error
/// about values, tables or rights.
pub(super) fn may_be_of_another_statement(code: &SqlState) -> bool {
    ["22", "23", "42"].iter().any(|class| code.code().starts_with(class))
}

/// Whether the connection is lost.
pub(super) fn is_lost(error: &Error, client: &ClientWrapper) -> bool {
    match error.as_db_error() {
        Some(error) => is_end_of_connection(error),
        // The error is not from the server.
        None => {
            error.is_closed()
                || client.is_closed()
                || std::error::Error::source(error)
                    .is_some_and(|source| source.is::<std::io::Error>())
        }
    }
}

/// Whether the server or a pooler says that the connection ends.
fn is_end_of_connection(error: &DbError) -> bool {
    match error.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        // PgBouncer omits the field with the untranslated severity.
        None => error.severity() == "FATAL",
    }
}
