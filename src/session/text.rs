//! The text of a session, and its decoded form.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{SessionData, SessionSigner, checked_login::CheckedLogin};
use crate::{error::DecodeError, signing::KeyUsed};

/// The signed text of a session. All callers that ask for one row at the same time share it: once one of
/// them has decoded it, all have.
pub(crate) struct SessionText {
    text: Arc<str>,
    decoded: OnceLock<Arc<DecodedText>>,
}

/// A text with a right signature, and its data.
pub(crate) struct DecodedText {
    text: Arc<str>,
    data: SessionData,
    key: KeyUsed,
    login: OnceLock<CheckedLogin>,
}

impl SessionText {
    pub(crate) fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), decoded: OnceLock::new() }
    }

    /// The text that is already decoded.
    pub(crate) fn of_decoded(decoded: &Arc<DecodedText>) -> Self {
        Self { text: Arc::clone(&decoded.text), decoded: OnceLock::from(Arc::clone(decoded)) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn is_decoded(&self) -> bool {
        self.decoded.get().is_some()
    }

    /// The data in the text. It is decoded unless that was done before.
    ///
    /// # Errors
    /// Those of [`SessionData::decode`].
    pub(super) fn decode(&self, signer: &SessionSigner) -> Result<Arc<DecodedText>, DecodeError> {
        if let Some(decoded) = self.decoded.get() {
            decoded.read_again(signer)?;
            return Ok(Arc::clone(decoded));
        }
        let (json, key) = signer.unsign(&self.text)?;
        let mut data = SessionData::index(json)?;
        data.shrink();
        let decoded = DecodedText::new(Arc::clone(&self.text), data, key);
        Ok(Arc::clone(self.decoded.get_or_init(|| Arc::new(decoded))))
    }
}

impl DecodedText {
    fn new(text: Arc<str>, data: SessionData, key: KeyUsed) -> Self {
        Self { text, data, key, login: OnceLock::new() }
    }

    /// Encodes this data now.
    pub(super) fn encode(data: SessionData, signer: &SessionSigner) -> Self {
        Self::new(data.encode(signer).into(), data, KeyUsed::Current)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn data(&self) -> &SessionData {
        &self.data
    }

    /// Records that the text was read although it need not be decoded. Checks its age.
    ///
    /// # Errors
    /// [`signing::Error::SignatureExpired`](crate::signing::Error::SignatureExpired).
    pub(super) fn read_again(&self, signer: &SessionSigner) -> Result<(), DecodeError> {
        signer.check_age(&self.text)?;
        signer.was_signed_with(self.key);
        Ok(())
    }

    /// The login in this text, if the site with this number has checked it.
    pub(crate) fn checked_login(&self, site: u64) -> Option<&CheckedLogin> {
        self.login.get().filter(|login| login.is_of(site))
    }

    /// Remembers the login in this text.
    pub(crate) fn remember_login(&self, login: CheckedLogin) {
        self.login.get_or_init(|| login);
    }

    /// The memory that this takes, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.data.heap_size()
    }
}

/// Shows the length, not the content.
impl fmt::Debug for SessionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionText").field("len", &self.text.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::settings::With;
    use crate::{settings::DjangoSettings, signing::TimestampSigner};

    fn signer(settings: DjangoSettings) -> SessionSigner {
        SessionSigner::new(&settings).unwrap()
    }

    #[test]
    fn what_was_read_before_may_be_too_old_by_now() {
        let settings = DjangoSettings::new("k");
        let stamps = TimestampSigner::new("k").unwrap().salt(settings.session_salt());
        let text = SessionText::new(stamps.sign_json_at("{}", true, 1_700_000_000));
        text.decode(&signer(settings.clone())).unwrap();
        let (minute, age) = (Duration::from_secs(60), Duration::from_secs(1 << 40));
        for (max_age, is_read) in [(minute, false), (age, true)] {
            let signer = signer(settings.clone().with(|s| s.session_data_max_age = Some(max_age)));
            assert_eq!(text.decode(&signer).is_ok(), is_read);
            // The same result as without a cache.
            assert_eq!(SessionData::decode(text.as_str(), &signer).is_ok(), is_read);
        }
    }

    #[test]
    fn debug_output_has_no_data() {
        assert_eq!(format!("{:?}", SessionText::new("hush")), "SessionText { len: 4, .. }");
    }
}
