//! What the writing of sessions needs beyond the database.

use std::hash::{BuildHasher, RandomState};

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::RequestParts;
use crate::{
    error::Error,
    session::{ExpiryPolicy, SessionData, SessionKey},
    settings::DjangoSettings,
};

/// How many queues there are for those whose session was changed by somebody else meanwhile.
const QUEUES: usize = 64;

/// What the writing of sessions needs beyond the database.
pub(super) struct Writer {
    policy: ExpiryPolicy,
    /// Many who change one session at once would overtake each other again and again: whoever was
    /// overtaken stands in a queue.
    queues: [Mutex<()>; QUEUES],
    hasher: RandomState,
}

/// Code of the application that hears which session was changed.
pub(super) type OnSessionChange =
    dyn Fn(SessionKey) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync;
/// Code of the application that fills further columns of a session's row.
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

    /// Where those stand who were overtaken at this session.
    pub(super) fn queue(&self, key: &SessionKey) -> &Mutex<()> {
        &self.queues[self.hasher.hash_one(key.as_str()) as usize % QUEUES]
    }
}
