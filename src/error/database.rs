//! Errors of PostgreSQL, without the values that their messages repeat.

use std::fmt;

use tokio_postgres::error::{DbError, SqlState};

/// An error of PostgreSQL, or of the connection to it.
///
/// It is made from a [`tokio_postgres::Error`] and keeps what is safe to log: severity, code and message.
/// PostgreSQL repeats whole rows in the other fields (`Key (session_key)=(..) is still referenced`,
/// `Failing row contains (..)`). A message that may quote a value is left out as well: one about data
/// (codes `22...`), and one of a function or trigger of the site. PostgreSQL's own log has all of it.
pub struct DatabaseError(DatabaseErrorInner);

enum DatabaseErrorInner {
    Server(FromServer),
    /// The error is not from the server.
    Other(tokio_postgres::Error),
}

struct FromServer {
    severity: String,
    code: SqlState,
    message: Option<String>,
    column: Option<String>,
}

impl DatabaseError {
    /// Returns the SQLSTATE of the error. `None` if it is not from PostgreSQL.
    pub fn code(&self) -> Option<&SqlState> {
        match &self.0 {
            DatabaseErrorInner::Server(message) => Some(&message.code),
            DatabaseErrorInner::Other(_) => None,
        }
    }

    /// The name of the column that the error is about.
    pub(crate) fn column(&self) -> Option<&str> {
        match &self.0 {
            DatabaseErrorInner::Server(message) => message.column.as_deref(),
            DatabaseErrorInner::Other(_) => None,
        }
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(message) => message.into(),
            None => Self(DatabaseErrorInner::Other(error)),
        }
    }
}

impl From<&DbError> for DatabaseError {
    fn from(error: &DbError) -> Self {
        let message = (!may_quote_a_value(error)).then(|| error.message().to_owned());
        Self(DatabaseErrorInner::Server(FromServer {
            severity: error.severity().to_owned(),
            code: error.code().clone(),
            message,
            column: error.column().map(str::to_owned),
        }))
    }
}

/// Whether the message may quote a value. PostgreSQL's own messages name tables, columns and constraints,
/// and quote values only in class 22. Messages raised in a function may say anything, unless they are of a
/// class that the server itself raises: integrity, transactions, resources, state and intervention.
fn may_quote_a_value(error: &DbError) -> bool {
    let is_of =
        |classes: &[&str]| classes.iter().any(|class| error.code().code().starts_with(class));
    let is_raised = error
        .file()
        .is_some_and(|file| ["pl_", "plp", "pltcl"].iter().any(|pl| file.starts_with(pl)));
    is_of(&["22"])
        || is_raised
        || error.where_().is_some() && !is_of(&["23", "40", "53", "55", "57"])
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            DatabaseErrorInner::Server(FromServer { severity, code, message, .. }) => match message
            {
                Some(message) => write!(f, "{severity}: {message} ({})", code.code()),
                None => write!(
                    f,
                    "{severity}: {}, with a message that may quote a value: see PostgreSQL's log",
                    code.code()
                ),
            },
            DatabaseErrorInner::Other(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            DatabaseErrorInner::Server(_) => write!(f, "DatabaseError({self})"),
            DatabaseErrorInner::Other(error) => {
                f.debug_tuple("DatabaseError").field(error).finish()
            }
        }
    }
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            DatabaseErrorInner::Server(_) => None,
            DatabaseErrorInner::Other(error) => error.source(),
        }
    }
}
