//! What a session is: no HTTP, no SQL, no clock.

mod changes;
mod data;
mod edits;
mod expiry;
mod index;
mod iso_format;
mod key;
mod signer;
#[cfg(test)]
mod vectors;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::de::DeserializeOwned;

use crate::error::DecodeError;
pub(crate) use changes::{Changes, Row, Save};
pub use data::SessionData;
pub(crate) use data::USER_ID;
pub use expiry::Expiry;
pub(crate) use expiry::{CookieLife, ExpiryPolicy, SESSION_EXPIRY};
pub use key::SessionKey;
pub use signer::SessionSigner;

/// The first instant after all that Python's `datetime` can be, in seconds since 1970.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// Whether a row that ends then is live. Where Django fails on the date, nobody is logged in.
pub(crate) fn is_live(expire_date: SystemTime, now: SystemTime) -> bool {
    expire_date > now && expire_date < UNIX_EPOCH + YEAR_10000
}

/// A session as it was when it was looked up: an immutable snapshot.
///
/// Cheap to clone, and `Send`: a stream or a spawned task can keep it. The session data is decoded
/// at most once, and only when something asks for it.
#[derive(Clone)]
pub struct DjangoSession(Arc<Snapshot>);

struct Snapshot {
    key: SessionKey,
    expire_date: SystemTime,
    session_data: String,
    signer: Arc<SessionSigner>,
    data: OnceLock<Result<SessionData, DecodeError>>,
}

impl DjangoSession {
    pub(crate) fn new(
        key: SessionKey,
        expire_date: SystemTime,
        session_data: String,
        signer: Arc<SessionSigner>,
    ) -> Self {
        let data = OnceLock::new();
        Self(Arc::new(Snapshot { key, expire_date, session_data, signer, data }))
    }

    /// A session as it is stored now, with this data.
    pub(crate) fn sealed(
        key: SessionKey,
        expire_date: SystemTime,
        data: SessionData,
        signer: Arc<SessionSigner>,
    ) -> Self {
        let session_data = data.encode(&signer);
        let data = OnceLock::from(Ok(data));
        Self(Arc::new(Snapshot { key, expire_date, session_data, signer, data }))
    }

    /// A session that is its own key: the text of a `signed_cookies` session.
    pub(crate) fn decoded(
        key: SessionKey,
        expire_date: SystemTime,
        data: SessionData,
        signer: Arc<SessionSigner>,
    ) -> Self {
        let (session_data, data) = (key.as_str().to_owned(), OnceLock::from(Ok(data)));
        Self(Arc::new(Snapshot { key, expire_date, session_data, signer, data }))
    }

    /// This session as a `signed_cookies` session, whose text is its key.
    pub(crate) fn as_its_own_key(&self) -> Self {
        let Some(key) = SessionKey::new(self.session_data()) else { return self.clone() };
        let (end, data) = (self.0.expire_date, self.0.data.clone());
        let (session_data, signer) = (self.0.session_data.clone(), Arc::clone(&self.0.signer));
        Self(Arc::new(Snapshot { key, expire_date: end, session_data, signer, data }))
    }

    /// This session with another key and other data.
    pub(crate) fn changed(&self, key: SessionKey, data: SessionData) -> Self {
        Self::sealed(key, self.0.expire_date, data, Arc::clone(&self.0.signer))
    }

    /// This session with another end.
    pub(crate) fn ending(&self, expire_date: SystemTime) -> Self {
        let (key, session_data) = (self.0.key.clone(), self.0.session_data.clone());
        let (signer, data) = (Arc::clone(&self.0.signer), self.0.data.clone());
        Self(Arc::new(Snapshot { key, expire_date, session_data, signer, data }))
    }

    /// The session key: whoever has it is this visitor.
    pub fn key(&self) -> &SessionKey {
        &self.0.key
    }

    /// When the session ends, unless Django extends it.
    pub fn expire_date(&self) -> SystemTime {
        self.0.expire_date
    }

    /// The signed text in the row.
    pub fn session_data(&self) -> &str {
        &self.0.session_data
    }

    /// The decoded dictionary.
    ///
    /// # Errors
    /// [`DecodeError`] if the signature is wrong or what was signed cannot be read. Django shows
    /// its views an empty session then.
    pub fn data(&self) -> Result<&SessionData, DecodeError> {
        let decoded = self.0.data.get_or_init(|| {
            SessionData::decode(&self.0.session_data, &self.0.signer)
                .inspect_err(|error| self.0.signer.undecodable(error))
        });
        decoded.as_ref().map_err(Clone::clone)
    }

    /// The value of a key in the session: [`SessionData::get`].
    ///
    /// # Errors
    /// [`DecodeError`] if the session data cannot be read, or the value is no `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, DecodeError> {
        self.data()?.get(key)
    }

    /// The id of the user who is logged in: [`SessionData::user_id`]. `None` if nobody is.
    ///
    /// # Errors
    /// [`DecodeError`] if the session data cannot be read.
    pub fn user_id(&self) -> Result<Option<Cow<'_, str>>, DecodeError> {
        Ok(self.data()?.user_id())
    }
}

impl fmt::Debug for DjangoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSession")
            .field("expire_date", &self.0.expire_date)
            .finish_non_exhaustive()
    }
}
