//! The keys of the session auth hash.

use std::borrow::Cow;

use super::HASH;
use crate::{
    session::SessionData,
    settings::{DjangoSettings, SecretKey, SessionAuthHash},
    signing::{KeyUsed, SaltedHmac},
};

/// The keys of the hash, derived once.
pub(crate) struct SessionAuthKeys {
    current: SaltedHmac,
    fallbacks: Vec<SaltedHmac>,
    /// Whether the fallbacks hash the password alone, as Django's own method does.
    fallbacks_are_djangos: bool,
}

impl SessionAuthKeys {
    /// `None` if the user model has no session auth hash.
    pub(crate) fn new(settings: &DjangoSettings) -> Option<Self> {
        let hash = settings.user_model.session_auth_hash.as_ref()?;
        let djangos = SessionAuthHash::default();
        let fallbacks_are_djangos = hash.has_fallbacks_of_django();
        let of_fallbacks = if fallbacks_are_djangos { &djangos } else { hash };
        let key = |hash: &SessionAuthHash, secret: &SecretKey| {
            SaltedHmac::new(&hash.key_salt, secret.as_bytes(), hash.algorithm)
        };
        let fallbacks = settings.secret_key_fallbacks.iter();
        Some(Self {
            current: key(hash, &settings.secret_key),
            fallbacks: fallbacks.map(|secret| key(of_fallbacks, secret)).collect(),
            fallbacks_are_djangos,
        })
    }

    /// The hash of this text, in hexadecimal digits.
    pub(crate) fn hexdigest(&self, message: &str) -> String {
        self.current.hexdigest(message)
    }

    /// The key that made this hash from this password and message. `None` if none of them did.
    pub(crate) fn key_of(&self, found: &str, [password, message]: [&str; 2]) -> Option<KeyUsed> {
        if self.current.verify_hex(message, found) {
            return Some(KeyUsed::Current);
        }
        let message = if self.fallbacks_are_djangos { password } else { message };
        let is_fallback = self.fallbacks.iter().any(|key| key.verify_hex(message, found));
        is_fallback.then_some(KeyUsed::Fallback)
    }
}

/// The hash in a session. Django makes text of other values, but no hash looks like such text.
pub(crate) fn hash_in(data: &SessionData) -> Cow<'_, str> {
    data.text(HASH).unwrap_or_default()
}
