//! The errors of the crate, one variant for each condition.

mod csrf;
mod database;
mod rest;

use std::{fmt, io, sync::Arc, time::Duration};

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::{DbError, SqlState};

use crate::{report::CheckReport, signing};
pub use csrf::{CsrfReason, CsrfTokenFault, FormError};
pub use database::DatabaseError;
pub use rest::{AuthenticationFailed, TokenMessage};

/// Why there is no session, no user, or no answer.
///
/// Handlers get this error from methods and can return it. The extractors' `FromRequest` has another error
/// type, [`actix_web::Error`], because the middleware has put its response into it. This error converts
/// into that one by `?`.
///
/// No variant contains a session key, session data or a secret, in `Display` or in `Debug`.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings, or the database that they describe, cannot work.
    /// [`DjangoSite::new`](crate::DjangoSite::new) and [`DjangoSite::check`](crate::DjangoSite::check)
    /// find this at start-up. Status 500.
    #[error("improperly configured: {0}")]
    ImproperlyConfigured(String),

    /// [`DjangoSite::check`](crate::DjangoSite::check) found problems that would fail every request, or
    /// every user. The report lists them. Status 500.
    #[error("{0}")]
    CheckFailed(Arc<CheckReport>),

    /// The request has no session cookie, or one that Django would not look up. Rejected.
    #[error("the request has no session key")]
    NoSessionKey,

    /// No row has this session key. Rejected.
    #[error("the session does not exist")]
    SessionNotFound,

    /// The row's `expire_date` is in the past, or after the year 9999, where Django's dates end
    /// (`infinity`, for example) and Django fails. Rejected.
    #[error("the session has expired")]
    SessionExpired,

    /// The session is live and names no user. Rejected where a user is needed.
    #[error("no user is logged in to this session")]
    Anonymous,

    /// The session is live, but its data cannot be decoded. Rejected where a user is needed.
    /// [`DecodeError::Value`] alone is a mistake in the handler: status 500.
    #[error("the session data cannot be decoded")]
    Undecodable(#[from] DecodeError),

    /// The session names a user who does not count as logged in for Django. Rejected where a user is
    /// needed.
    #[error("not logged in: {0}")]
    NotLoggedIn(#[from] NotLoggedIn),

    /// The user is logged in and lacks a permission. Status 403.
    #[error("the user lacks a permission")]
    PermissionDenied,

    /// The user is logged in and does not pass a test of the middleware: see
    /// [`user_passes_test`](crate::DjangoSessionMiddleware::user_passes_test). Rejected; a 403 where the
    /// middleware does not redirect to the login page.
    #[error("the user does not pass the test")]
    TestNotPassed,

    /// The user model lists no such column, or its value is not of the requested type: a mistake in the
    /// handler or in the user model. Status 500.
    #[error("the column \"{column}\" of the user {}", column_fault(.found, .expected))]
    #[non_exhaustive]
    UserColumn {
        /// The requested column.
        column: String,
        /// PostgreSQL's name of the column's type (`int8`, `text`), if the column was read with the user.
        found: Option<String>,
        /// The Rust type that the handler requests.
        expected: &'static str,
    },

    /// The user id in the session cannot be parsed as the type that the handler requests: a mistake in the
    /// handler. Status 500.
    #[error("the user id in the session is not a valid `{expected}`")]
    #[non_exhaustive]
    UserIdType {
        /// The type that the handler requests.
        expected: &'static str,
    },

    /// Another request ended the session while this one changed it: the visitor may have logged out in
    /// another window. Nothing is stored. Status 400, as Django's `SessionInterrupted`.
    #[error("the session was deleted before the request completed")]
    SessionInterrupted,

    /// Django cannot convert the session's `_session_expiry` to a date, or the date is after the year
    /// 9999. Status 500, as in Django; nothing is stored.
    #[error("the session's `_session_expiry` is not a date")]
    InvalidExpiry,

    /// An extractor was used on a route that no
    /// [`DjangoSessionMiddleware`](crate::DjangoSessionMiddleware) wraps. Status 500.
    #[error(
        "`{extractor}` needs a DjangoSessionMiddleware around this route: add \
         `.wrap(DjangoSessionMiddleware::optional(site))` or `::required(site)` to its App, Scope \
         or Resource; of several `.wrap()`s, the last one added runs first"
    )]
    #[non_exhaustive]
    MiddlewareMissing {
        /// The extractor that found no middleware.
        extractor: &'static str,
    },

    /// The CSRF check failed: another site may have caused the request. Status 403.
    #[error("CSRF verification failed: {0}")]
    #[doc(alias = "csrf_failure")]
    #[doc(alias = "REASON_BAD_TOKEN")]
    CsrfFailed(CsrfReason),

    /// The form that may contain the CSRF token cannot be read. Status 400, or 413 for
    /// [`FormError::ExceedsSpool`].
    #[error("the form cannot be read: {0}")]
    BadForm(#[from] FormError),

    /// The form that may contain the CSRF token did not arrive within
    /// [`form_timeout`](crate::DjangoSettings::form_timeout). Status 408.
    #[error("the form did not come within {0:?}")]
    FormTimeout(Duration),

    /// The forms that are being read use up [`max_form_memory`](crate::DjangoSettings::max_form_memory)
    /// and [`max_form_spool`](crate::DjangoSettings::max_form_spool). Status 503.
    #[error("too many forms are being read at the same time")]
    TooManyForms,

    /// A large form waits in a file until its CSRF token is found. That file cannot be created or written.
    /// Status 503.
    #[error("a form cannot be spooled to the disk")]
    FormSpool(#[source] Arc<io::Error>),

    /// A credential of the REST framework (name and password, a token, a JWT) is refused. Rejected on
    /// every route.
    #[error("the credentials are refused: {0}")]
    AuthenticationFailed(#[from] AuthenticationFailed),

    /// The view of the REST framework does not have this method. Status 405.
    #[error("the method is not allowed")]
    MethodNotAllowed,

    /// The processors were busy with the passwords of other logins for this long. Status 503.
    #[error("no password could be hashed within {0:?}: too many visitors are logging in")]
    TooManyPasswords(Duration),

    /// PostgreSQL did not answer. Status 503: the visitor never counts as anonymous.
    #[error("the session database is unavailable")]
    Unavailable(#[source] Arc<Unavailable>),
}

fn column_fault(found: &Option<String>, expected: &str) -> String {
    match found {
        Some(found) => format!(
            "is of type {found}, or NULL, and that is no `{expected}` (one that may be NULL is an \
             `Option`)"
        ),
        None => "is not read: name it in `UserModel::columns`".into(),
    }
}

impl From<Unavailable> for Error {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl From<Arc<Unavailable>> for Error {
    fn from(error: Arc<Unavailable>) -> Self {
        Self::Unavailable(error)
    }
}

impl Error {
    /// Returns whether logging in may help: no session, an anonymous one, or a user who does not count as
    /// logged in or may not do this. Each of these is counted as [`rejected`](crate::Event::Rejected).
    /// Each rejected request has a [`reason`](Self::reason); these include a 403 of the CSRF check or for
    /// a permission.
    pub fn wants_login(&self) -> bool {
        self.reason().is_some()
            && !matches!(
                self,
                Self::PermissionDenied
                    | Self::CsrfFailed(_)
                    | Self::BadForm(_)
                    | Self::FormTimeout(_)
                    | Self::TooManyForms
                    | Self::SessionInterrupted
                    | Self::MethodNotAllowed
            )
    }

    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::TooManyPasswords(_)
                | Self::TooManyForms
                | Self::FormSpool(_)
        )
    }

    /// Returns this error and all its sources on one line, for a log.
    pub fn chain(&self) -> impl fmt::Display + '_ {
        Chain(self)
    }

    /// Returns why a request was rejected: a constant word, for logs and counters. It is the `reason` of
    /// [`Event::Rejected`](crate::Event::Rejected). `None` for failures.
    pub fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoSessionKey => "no_session_key",
            Self::SessionNotFound => "session_not_found",
            Self::SessionExpired => "session_expired",
            Self::Anonymous => "anonymous",
            // One value, requested as another type: a mistake in the handler.
            Self::Undecodable(DecodeError::Value) => return None,
            Self::Undecodable(_) => "undecodable",
            Self::NotLoggedIn(NotLoggedIn::BackendNotListed) => "backend_not_listed",
            Self::NotLoggedIn(NotLoggedIn::BackendNotRead) => "backend_not_read",
            Self::NotLoggedIn(NotLoggedIn::NoSuchUser) => "no_such_user",
            Self::NotLoggedIn(NotLoggedIn::Inactive) => "inactive",
            Self::NotLoggedIn(NotLoggedIn::WrongHash) => "wrong_hash",
            Self::NotLoggedIn(NotLoggedIn::RefusedByHook) => "refused_by_hook",
            Self::NotLoggedIn(NotLoggedIn::AnotherUser) => "another_user",
            Self::PermissionDenied => "permission_denied",
            Self::TestNotPassed => "test_not_passed",
            Self::CsrfFailed(_) => "csrf_failed",
            Self::BadForm(_) => "bad_form",
            Self::FormTimeout(_) => "form_timeout",
            Self::TooManyForms => "too_many_forms",
            Self::SessionInterrupted => "session_interrupted",
            Self::AuthenticationFailed(_) => "authentication_failed",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::ImproperlyConfigured(_)
            | Self::CheckFailed(_)
            | Self::UserColumn { .. }
            | Self::UserIdType { .. }
            | Self::InvalidExpiry
            | Self::MiddlewareMissing { .. }
            | Self::FormSpool(_)
            | Self::TooManyPasswords(_)
            | Self::Unavailable(_) => return None,
        })
    }
}

/// Why the user of a session does not count as logged in for Django.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotLoggedIn {
    /// The session names an authentication backend that `AUTHENTICATION_BACKENDS` does not list.
    #[error("the authentication backend of the session is not listed")]
    BackendNotListed,
    /// The session names an authentication backend whose users this service does not read: see
    /// [`AuthenticationBackend::reads_users`](crate::AuthenticationBackend::reads_users).
    #[error("the users of the session's authentication backend are not read here")]
    BackendNotRead,
    /// The user does not exist.
    #[error("the user does not exist")]
    NoSuchUser,
    /// The account is not active.
    #[error("the account is not active")]
    Inactive,
    /// The session auth hash does not match the password, which was changed since the login.
    #[error("the session auth hash does not match")]
    WrongHash,
    /// The `after_get_user` hook of the service returned no user.
    #[error("the after_get_user hook returned no user")]
    RefusedByHook,
    /// The session belongs to another user now: see
    /// [`DjangoSite::revalidate`](crate::DjangoSite::revalidate).
    #[error("the session belongs to another user now")]
    AnotherUser,
}

/// Why session data cannot be decoded.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The signed text cannot be read: the signature is wrong, or the content is not JSON.
    #[error(transparent)]
    Signing(#[from] signing::Error),

    /// One value is not of the requested type, or `serde_json` cannot hold it. The other values are not
    /// affected.
    #[error("a value of the session is not of the requested type")]
    Value,

    /// The text is JSON, but not a dictionary.
    #[error("the session data is not a dictionary")]
    NotADictionary,
}

/// Why PostgreSQL did not answer. `Unavailable::from` converts the errors of [`tokio_postgres`] and
/// [`deadpool_postgres`].
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The application's own pool provided no connection: for hooks that query the database. If the
    /// database was the reason, it is [`Connection`](Self::Connection).
    #[error("no database connection")]
    Pool(#[source] PoolError),

    /// No connection could be made.
    #[error("no database connection")]
    Connection(#[source] DatabaseError),

    /// No connection could be made within the `timeout` of the settings.
    #[error("no database connection within {0:?}: the server accepts no new one")]
    NoConnection(Duration),

    /// The query failed: the server refused it, the connection broke, or a parameter or a column has another
    /// type. The source says which.
    #[error("the query failed")]
    Query(#[source] DatabaseError),

    /// The answer of the server belongs to another query. That can happen behind a pooler.
    #[error(
        "the database answered another query: a pooler may mix up prepared statements (prepared_statements)"
    )]
    WrongAnswer,

    /// The server did not change a row, although no other transaction had changed it.
    #[error("the database did not change the row: a trigger or a policy of the table forbids it")]
    NotWritten,

    /// The session was changed, but the application's `on_session_change` failed or took longer than the
    /// `timeout`. Its error is logged: it should not name the session key.
    #[error("the session was changed, but the on_session_change hook failed")]
    Cache(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// A query of the request took longer than the `timeout` of the settings.
    #[error("no answer within {0:?}")]
    Timeout(Duration),

    /// There is no Tokio runtime, it is shutting down, or a task of this crate on it has panicked.
    #[error("there is no Tokio runtime, it is shutting down, or a task that asks has panicked")]
    NoRuntime,
}

impl Unavailable {
    /// Whether the server refused only this query or these values, so that parts of it may succeed alone.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Query(error) => error.code().is_some(),
            Self::WrongAnswer => true,
            _ => false,
        }
    }

    /// Whether the server did not finish in time.
    pub(crate) fn is_too_slow(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Query(error) => error.code() == Some(&SqlState::QUERY_CANCELED),
            _ => false,
        }
    }
}

impl From<tokio_postgres::Error> for Unavailable {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Query(error.into())
    }
}

// The message of the database is removed from the pool's error, which would show rows.
impl From<PoolError> for Unavailable {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                Self::Connection(error.into())
            }
            other => Self::Pool(other),
        }
    }
}

// Not derived: the error of an application's hook may be PostgreSQL's, whose `Debug` shows rows.
impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unavailable(")?;
        fmt::Display::fmt(&Chain(self), f)?;
        f.write_str(")")
    }
}

/// An error and all its sources on one line, for the log.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The error of an application's hook may be PostgreSQL's, and its details are rows.
        let on_one_line = |error: &(dyn std::error::Error + 'static)| {
            match error.downcast_ref::<DbError>() {
                Some(message) => DatabaseError::from(message).to_string(),
                None => error.to_string(),
            }
            .replace('\n', "; ")
        };
        let mut message = on_one_line(self.0);
        f.write_str(&message)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = on_one_line(error);
            // Some errors repeat the text of their source: it is shown once.
            if !message.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            message = text;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_of_another_type_is_no_reason_to_log_in_again() {
        assert!(!Error::from(DecodeError::Value).wants_login());
        assert!(Error::from(DecodeError::NotADictionary).wants_login());
        assert!(!Error::PermissionDenied.wants_login());
    }

    /// With what this crate exports: an application needs no further crate for it.
    #[test]
    fn what_the_pool_says_can_be_matched() {
        use crate::deadpool_postgres::{PoolError, TimeoutType};
        let error = Unavailable::from(PoolError::Timeout(TimeoutType::Wait));
        assert!(matches!(error, Unavailable::Pool(PoolError::Timeout(TimeoutType::Wait))));
        assert!(Chain(&error).to_string().starts_with("no database connection: Timeout"));
    }
}
