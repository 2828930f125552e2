//! A key, which `Debug` does not show.

use std::fmt;

/// A key: bytes, or text whose UTF-8 bytes are used, as in Django. `Debug` does not show it.
///
/// ```
/// use actix_django_session::SecretKey;
///
/// let key = SecretKey::from("the SECRET_KEY of settings.py");
/// assert_eq!(format!("{key:?}"), "SecretKey(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Box<[u8]>);

impl SecretKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: AsRef<[u8]>> From<K> for SecretKey {
    fn from(key: K) -> Self {
        Self(key.as_ref().into())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}
