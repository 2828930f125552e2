//! The session key: the cookie's value and the primary key of the row.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{crypto::get_random_string, error::Error};

/// `SessionBase._validate_session_key`.
const MIN_LENGTH: usize = 8;

/// The alphabet and length of `SessionBase._get_new_session_key`.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const GENERATED_LENGTH: usize = 32;

/// A session key that Django would look up in its table.
///
/// A client that knows the key is logged in as its user. So `Debug` does not show it, and there is no
/// `Display`.
#[derive(Clone)]
#[doc(alias = "sessionid")]
pub struct SessionKey(Arc<str>);

impl SessionKey {
    /// Parses the value of a session cookie, as Django's `_validate_session_key` does: any text of eight
    /// or more code points.
    ///
    /// Returns `None` for shorter text, and for text with a NUL character, which PostgreSQL cannot hold
    /// (Django responds with a 500).
    pub fn new(value: impl AsRef<str>) -> Option<Self> {
        let value = value.as_ref();
        let valid = value.chars().nth(MIN_LENGTH - 1).is_some() && !value.contains('\0');
        valid.then(|| Self(value.into()))
    }

    /// Generates a random key, as Django does: 32 of `a`-`z` and `0`-`9`.
    ///
    /// # Panics
    /// If the operating system provides no random numbers.
    pub fn generate() -> Self {
        Self(get_random_string(GENERATED_LENGTH, ALPHABET).into())
    }

    /// The key, to be shared.
    pub(crate) fn shared(&self) -> &Arc<str> {
        &self.0
    }

    /// Returns the key as text. Keep it out of logs and pages.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has more than this many code points, which is how columns count.
    pub(crate) fn is_longer_than(&self, length: usize) -> bool {
        self.0.len() > length && self.0.chars().nth(length).is_some()
    }
}

/// [`SessionKey::new`] with an error: [`Error::NoSessionKey`].
impl FromStr for SessionKey {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self, Error> {
        Self::new(value).ok_or(Error::NoSessionKey)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_in_code_points() {
        assert!(SessionKey::new("1234567").is_none());
        assert!(SessionKey::new("12345678").is_some());
        assert!(SessionKey::new("éééééééé").is_some());
        assert!(SessionKey::new("😀😀😀😀").is_none());
        assert!(SessionKey::new("").is_none());
        assert!(SessionKey::new("1234\x005678").is_none());
    }

    #[test]
    fn text_is_parsed_as_a_key() {
        assert_eq!("12345678".parse::<SessionKey>().unwrap().as_str(), "12345678");
        assert!(matches!("1234567".parse::<SessionKey>(), Err(Error::NoSessionKey)));
    }

    #[test]
    fn length_is_counted_in_code_points() {
        let is_longer = |value: String| SessionKey::new(value).unwrap().is_longer_than(40);
        assert!(!is_longer("é".repeat(40)));
        assert!(is_longer("é".repeat(41)));
        assert!(is_longer("a".repeat(41)));
    }

    #[test]
    fn generated_keys_look_like_djangos_and_differ() {
        let (a, b) = (SessionKey::generate(), SessionKey::generate());
        assert_eq!(a.as_str().len(), GENERATED_LENGTH);
        assert!(a.as_str().bytes().all(|byte| ALPHABET.contains(&byte)));
        assert_ne!(a.as_str(), b.as_str());
    }

    #[test]
    fn debug_output_has_no_key() {
        assert_eq!(format!("{:?}", SessionKey::new("a-secret-key").unwrap()), "SessionKey(..)");
    }
}
