//! The text of a session, and its decoded form.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{SessionData, SessionSigner};
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
    auth_hash: OnceLock<AuthHash>,
}

/// The inputs of the session auth hash in a text, once found to match.
struct AuthHash {
    /// The keys of which site: the same text may be read by another one.
    keys: u64,
    password: Box<str>,
    /// `None` stands for the password.
    message: Option<Box<str>>,
    key: KeyUsed,
}

/// Longer messages are not kept, because each text reserves this many bytes. The values of Django take 90.
const LONGEST_MESSAGE: usize = 160;

impl SessionText {
    pub(crate) fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), decoded: OnceLock::new() }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
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
        Self { text, data, key, auth_hash: OnceLock::new() }
    }

    /// Encodes this data now.
    pub(super) fn encode(data: SessionData, signer: &SessionSigner) -> Self {
        Self::new(data.encode(signer).into(), data, KeyUsed::Current)
    }

    /// The text, for a session.
    pub(super) fn text(&self) -> SessionText {
        SessionText::new(Arc::clone(&self.text))
    }

    pub(super) fn as_str(&self) -> &str {
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

    /// Which of a site's `keys` the session auth hash in this text is made with, for this password and
    /// message. It is computed unless it was found to match before, for exactly these.
    pub(crate) fn auth_hash_key(
        &self,
        keys: u64,
        [password, message]: [&str; 2],
        verify: impl FnOnce() -> Option<KeyUsed>,
    ) -> Option<KeyUsed> {
        if let Some(known) = self.auth_hash.get().filter(|of| of.is_of(keys, password, message)) {
            return Some(known.key);
        }
        let key = verify()?;
        let message = (message != password).then_some(message);
        if password.len() + message.map_or(0, str::len) <= LONGEST_MESSAGE {
            let (password, message) = (password.into(), message.map(Into::into));
            self.auth_hash.get_or_init(|| AuthHash { keys, password, message, key });
        }
        Some(key)
    }

    /// The memory that this takes, now and later, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.data.heap_size() + LONGEST_MESSAGE
    }
}

impl AuthHash {
    fn is_of(&self, keys: u64, password: &str, message: &str) -> bool {
        let own_message = self.message.as_deref().unwrap_or(&self.password);
        self.keys == keys && *self.password == *password && *own_message == *message
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
    fn a_hash_is_computed_again_unless_all_that_it_is_made_of_is_the_same() {
        let text = SessionText::new(SessionData::new().encode(&signer(DjangoSettings::new("k"))));
        let text = text.decode(&signer(DjangoSettings::new("k"))).unwrap();
        let computes = |keys, hashed, key| {
            let mut computed = false;
            let verify = || {
                computed = true;
                key
            };
            assert_eq!(text.auth_hash_key(keys, hashed, verify), key);
            computed
        };
        let (current, fallback) = (Some(KeyUsed::Current), Some(KeyUsed::Fallback));
        // A wrong hash is never remembered.
        assert!(computes(1, ["p", "p"], None) && computes(1, ["p", "p"], None));
        assert!(computes(1, ["p", "p"], fallback));
        assert!(!computes(1, ["p", "p"], fallback));
        assert!(computes(2, ["p", "p"], current));
        assert!(computes(1, ["q", "q"], None));
        assert!(computes(1, ["p", "m"], None));
        assert!(computes(1, ["q", "p"], None));
        assert!(!computes(1, ["p", "p"], fallback));
    }

    #[test]
    fn a_long_message_is_not_kept_and_a_hash_of_a_message_only_with_its_password() {
        let decoded = || {
            let signer = signer(DjangoSettings::new("k"));
            SessionText::new(SessionData::new().encode(&signer)).decode(&signer).unwrap()
        };
        let right = || Some(KeyUsed::Current);
        let (long, text) = ("x".repeat(LONGEST_MESSAGE), decoded());
        assert!(text.auth_hash_key(1, ["p", &long], right).is_some());
        assert!(text.auth_hash_key(1, ["p", &long], || None).is_none());
        assert!(text.auth_hash_key(1, ["p", "m"], right).is_some());
        assert!(text.auth_hash_key(1, ["p", "m"], || None).is_some());
        assert!(text.auth_hash_key(1, ["q", "m"], || None).is_none());
        assert!(text.auth_hash_key(1, ["m", "m"], || None).is_none());
    }

    #[test]
    fn debug_output_has_no_data() {
        assert_eq!(format!("{:?}", SessionText::new("hush")), "SessionText { len: 4, .. }");
    }
}
