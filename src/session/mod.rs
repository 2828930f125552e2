//! Sessions: no HTTP, no SQL, no clock.

mod changes;
mod checked_login;
mod data;
mod edits;
mod expiry;
mod index;
mod iso_format;
mod key;
mod memo;
mod signer;
mod text;
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
pub(crate) use checked_login::CheckedLogin;
pub use data::SessionData;
pub(crate) use data::{USER_ID, user_id_in};
pub use expiry::Expiry;
pub(crate) use expiry::{CookieLife, ExpiryPolicy, SESSION_EXPIRY};
pub use key::SessionKey;
pub(crate) use memo::Memo;
pub use signer::SessionSigner;
pub(crate) use text::{DecodedText, SessionText};

/// The first instant after the range of Python's `datetime`, in seconds since 1970.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// Whether a row with this `expire_date` is live. Where Django fails on the date, no user is logged in.
pub(crate) fn is_live(expire_date: SystemTime, now: SystemTime) -> bool {
    expire_date > now && expire_date < UNIX_EPOCH + YEAR_10000
}

/// A session as it was when it was looked up: an immutable snapshot. To change the session of a request,
/// use [`DjangoSessionMut`](crate::DjangoSessionMut).
///
/// Cheap to clone, and `Send`: a stream or a spawned task can keep it. The session data is decoded at most
/// once, when it is first read.
#[derive(Clone)]
#[doc(alias = "request.session")]
#[doc(alias = "SessionBase")]
pub struct DjangoSession(Arc<Snapshot>);

#[derive(Clone)]
struct Snapshot {
    key: SessionKey,
    expire_date: SystemTime,
    text: Arc<SessionText>,
    signer: Arc<SessionSigner>,
    /// The cache of decoded data.
    memo: Option<Arc<Memo>>,
    decoded: OnceLock<Result<Arc<DecodedText>, DecodeError>>,
}

impl DjangoSession {
    #[cfg(test)]
    pub(crate) fn new(
        key: SessionKey,
        expire_date: SystemTime,
        session_data: String,
        signer: Arc<SessionSigner>,
    ) -> Self {
        let text = Arc::new(SessionText::new(session_data));
        Self::of_row(key, expire_date, text, signer, None)
    }

    /// The session of a row, whose text other requests may share.
    pub(crate) fn of_row(
        key: SessionKey,
        expire_date: SystemTime,
        text: Arc<SessionText>,
        signer: Arc<SessionSigner>,
        memo: Option<Arc<Memo>>,
    ) -> Self {
        let decoded = OnceLock::new();
        Self(Arc::new(Snapshot { key, expire_date, text, signer, memo, decoded }))
    }

    /// A session with this data, encoded and signed now.
    pub(crate) fn encoded(
        key: SessionKey,
        expire_date: SystemTime,
        data: SessionData,
        signer: Arc<SessionSigner>,
    ) -> Self {
        let decoded = Arc::new(DecodedText::encode(data, &signer));
        let text = Arc::new(SessionText::of_decoded(&decoded));
        let decoded = OnceLock::from(Ok(decoded));
        Self(Arc::new(Snapshot { key, expire_date, text, signer, memo: None, decoded }))
    }

    /// The session of a `signed_cookies` site, whose text is its key.
    ///
    /// # Errors
    /// As [`DjangoSession::data`]. The error is not logged, because any client can send such a text.
    pub(crate) fn in_cookie(
        key: SessionKey,
        expire_date: SystemTime,
        signer: Arc<SessionSigner>,
    ) -> Result<Self, DecodeError> {
        // Without the cache, which would keep the text: here it is the session key.
        let text = Arc::new(SessionText::new(key.as_str()));
        let session = Self::of_row(key, expire_date, text, signer, None);
        let decoded = session.decode()?;
        session.0.decoded.get_or_init(|| Ok(decoded));
        Ok(session)
    }

    /// This session as that of a `signed_cookies` site, whose text is its key.
    pub(crate) fn as_its_own_key(&self) -> Self {
        let Some(key) = SessionKey::new(self.session_data()) else { return self.clone() };
        Self(Arc::new(Snapshot { key, ..Snapshot::clone(&self.0) }))
    }

    /// This session with another `expire_date`.
    pub(crate) fn ending(&self, expire_date: SystemTime) -> Self {
        Self(Arc::new(Snapshot { expire_date, ..Snapshot::clone(&self.0) }))
    }

    /// Returns the session key. A client that knows it is logged in as its user.
    pub fn key(&self) -> &SessionKey {
        &self.0.key
    }

    /// Returns the `expire_date` of the row: when the session ends, unless Django extends it.
    #[doc(alias = "get_expiry_date")]
    pub fn expire_date(&self) -> SystemTime {
        self.0.expire_date
    }

    /// Returns the signed text in the `session_data` column.
    pub fn session_data(&self) -> &str {
        self.0.text.as_str()
    }

    /// Returns the decoded dictionary.
    ///
    /// # Errors
    /// [`DecodeError`] if the signature is wrong or the signed text cannot be decoded. Django's views get
    /// an empty session then.
    pub fn data(&self) -> Result<&SessionData, DecodeError> {
        self.decoded_text().map(|text| text.data())
    }

    /// The decoded text. It is decoded on first use, unless the cache has exactly this text.
    pub(crate) fn decoded_text(&self) -> Result<&Arc<DecodedText>, DecodeError> {
        let decoded = self
            .0
            .decoded
            .get_or_init(|| self.decode().inspect_err(|error| self.0.signer.undecodable(error)));
        decoded.as_ref().map_err(Clone::clone)
    }

    fn decode(&self) -> Result<Arc<DecodedText>, DecodeError> {
        let Snapshot { key, text, signer, memo, .. } = &*self.0;
        let Some(memo) = memo.as_ref().filter(|_| !text.is_decoded()) else {
            return text.decode(signer);
        };
        match memo.get(key).filter(|remembered| remembered.as_str() == text.as_str()) {
            Some(remembered) => remembered.read_again(signer).map(|()| remembered),
            None => text.decode(signer).inspect(|decoded| memo.remember(key, Arc::clone(decoded))),
        }
    }

    /// Returns the value of a key, parsed: [`SessionData::get`].
    ///
    /// # Errors
    /// [`DecodeError`] if the session data cannot be decoded, or the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, DecodeError> {
        self.data()?.get(key)
    }

    /// Returns the id of the user who is logged in: [`SessionData::user_id`]. `None` if the session names
    /// no user.
    ///
    /// # Errors
    /// [`DecodeError`] if the session data cannot be decoded.
    #[doc(alias = "_auth_user_id")]
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
