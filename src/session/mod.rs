//! What a session is: no HTTP, no SQL, no clock.

mod changes;
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
pub use data::SessionData;
pub(crate) use data::USER_ID;
pub use expiry::Expiry;
pub(crate) use expiry::{CookieLife, ExpiryPolicy, SESSION_EXPIRY};
pub use key::SessionKey;
pub(crate) use memo::Memo;
pub use signer::SessionSigner;
pub(crate) use text::{DecodedText, SessionText};

/// The first instant after all that Python's `datetime` can be, in seconds since 1970.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// Whether a row that ends then is live. Where Django fails on the date, nobody is logged in.
pub(crate) fn is_live(expire_date: SystemTime, now: SystemTime) -> bool {
    expire_date > now && expire_date < UNIX_EPOCH + YEAR_10000
}

/// A session as it was when it was looked up: an immutable snapshot. To change the session of a request,
/// take [`DjangoSessionMut`](crate::DjangoSessionMut).
///
/// Cheap to clone, and `Send`: a stream or a spawned task can keep it. The session data is decoded
/// at most once, and only when something asks for it.
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
    /// What was decoded before, and where to say what is decoded now.
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

    /// A session in a row that others may have read as well.
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

    /// A session as it is stored now, with this data.
    pub(crate) fn sealed(
        key: SessionKey,
        expire_date: SystemTime,
        data: SessionData,
        signer: Arc<SessionSigner>,
    ) -> Self {
        let decoded = DecodedText::encode(data, &signer);
        let text = Arc::new(decoded.text());
        let decoded = OnceLock::from(Ok(Arc::new(decoded)));
        Self(Arc::new(Snapshot { key, expire_date, text, signer, memo: None, decoded }))
    }

    /// A session whose text is its key: that of a `signed_cookies` site.
    ///
    /// # Errors
    /// As [`DjangoSession::data`]; nothing is said of it, for everybody can send such a text.
    pub(crate) fn in_cookie(
        key: SessionKey,
        expire_date: SystemTime,
        signer: Arc<SessionSigner>,
    ) -> Result<Self, DecodeError> {
        // Not by the memo: the text would stand in it, which is a session key here.
        let text = Arc::new(SessionText::new(key.as_str()));
        let session = Self::of_row(key, expire_date, text, signer, None);
        let decoded = session.decode()?;
        session.0.decoded.get_or_init(|| Ok(decoded));
        Ok(session)
    }

    /// This session as a `signed_cookies` session, whose text is its key.
    pub(crate) fn as_its_own_key(&self) -> Self {
        let Some(key) = SessionKey::new(self.session_data()) else { return self.clone() };
        Self(Arc::new(Snapshot { key, ..Snapshot::clone(&self.0) }))
    }

    /// This session with another end.
    pub(crate) fn ending(&self, expire_date: SystemTime) -> Self {
        Self(Arc::new(Snapshot { expire_date, ..Snapshot::clone(&self.0) }))
    }

    /// The session key: whoever has it is this visitor.
    pub fn key(&self) -> &SessionKey {
        &self.0.key
    }

    /// When the session ends, unless Django extends it.
    #[doc(alias = "get_expiry_date")]
    pub fn expire_date(&self) -> SystemTime {
        self.0.expire_date
    }

    /// The signed text in the row.
    pub fn session_data(&self) -> &str {
        self.0.text.as_str()
    }

    /// The decoded dictionary.
    ///
    /// # Errors
    /// [`DecodeError`] if the signature is wrong or what was signed cannot be read. Django shows
    /// its views an empty session then.
    pub fn data(&self) -> Result<&SessionData, DecodeError> {
        self.decoded_text().map(|text| text.data())
    }

    /// What is in the text. It is decoded when somebody first asks, and not at all if exactly this
    /// text was decoded before.
    pub(crate) fn decoded_text(&self) -> Result<&Arc<DecodedText>, DecodeError> {
        let decoded = self
            .0
            .decoded
            .get_or_init(|| self.decode().inspect_err(|error| self.0.signer.undecodable(error)));
        decoded.as_ref().map_err(Clone::clone)
    }

    fn decode(&self) -> Result<Arc<DecodedText>, DecodeError> {
        let Snapshot { key, text, signer, memo, .. } = &*self.0;
        let Some(memo) = memo else { return text.decode(signer) };
        match memo.get(key).filter(|remembered| remembered.as_str() == text.as_str()) {
            Some(remembered) => remembered.read_again(signer).map(|()| remembered),
            None => text.decode(signer).inspect(|decoded| memo.remember(key, Arc::clone(decoded))),
        }
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
