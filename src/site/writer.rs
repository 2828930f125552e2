//! The expiry policy and the queues for writing sessions.

use std::hash::{BuildHasher, RandomState};

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::RequestParts;
use crate::{
    error::Error,
    session::{ExpiryPolicy, SessionData, SessionKey},
    settings::DjangoSettings,
};

/// The number of queues for writes that met another change of the same session.
const QUEUES: usize = 64;

/// The expiry policy and the queues for writing sessions.
pub(super) struct Writer {
    policy: ExpiryPolicy,
    /// Many concurrent writes of one session would fail again and again: each that failed once waits in a
    /// queue.
    queues: [Mutex<()>; QUEUES],
    hasher: RandomState,
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
        Ok(Self {
            policy: ExpiryPolicy::new(settings)?,
            queues: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        })
    }

    pub(super) fn policy(&self) -> &ExpiryPolicy {
        &self.policy
    }

    /// The queue of this session.
    pub(super) fn queue(&self, key: &SessionKey) -> &Mutex<()> {
        &self.queues[self.hasher.hash_one(key.as_str()) as usize % QUEUES]
    }
}
