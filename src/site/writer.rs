//! The expiry policy of sessions, and the turns to write them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::RequestParts;
use crate::{
    database::{Turn, Turns},
    error::Error,
    session::{ExpiryPolicy, SessionData, SessionKey},
    settings::DjangoSettings,
};

/// The expiry policy of sessions, and the turns to write them.
pub(super) struct Writer {
    policy: ExpiryPolicy,
    /// Many concurrent writes of one session would fail again and again: each that failed once waits for
    /// its turn.
    turns: Arc<Turns>,
}

/// The `on_session_change` hook of the application.
pub(super) type OnSessionChange =
    dyn Fn(SessionKey) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync;
/// The `session_columns` hook of the application.
pub(super) type SessionColumns =
    dyn Fn(&SessionData, Option<&RequestParts>) -> Result<String, Error> + Send + Sync;
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Writer {
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if there is no such time zone.
    pub(super) fn new(settings: &DjangoSettings) -> Result<Self, Error> {
        Ok(Self { policy: ExpiryPolicy::new(settings)?, turns: Arc::default() })
    }

    pub(super) fn policy(&self) -> &ExpiryPolicy {
        &self.policy
    }

    /// The turn to write a session that another request has changed. `None` if it does not come in half of
    /// the time that is left: the one who has it may be a handler that does not poll its save any more, or
    /// a worker whose thread is blocked. It is then written out of turn, since each write checks that the
    /// row is what was read.
    pub(super) async fn turn(&self, key: &SessionKey, deadline: Instant) -> Option<Turn> {
        let half = deadline.saturating_duration_since(Instant::now()) / 2;
        self.turns.of(key.as_str()).come(deadline - half).await
    }
}
