//! The keys of the session auth hash.

use crate::{
    settings::{DjangoSettings, SessionAuthHash},
    signing::SaltedHmac,
};

/// The keys of the hash, derived once. `None` in a site whose user model has no such hash.
pub(super) struct SessionAuthKeys {
    current: SaltedHmac,
    fallbacks: Vec<SaltedHmac>,
    /// Whether those hash the password alone, whatever else the current one does.
    fallbacks_are_djangos: bool,
}

impl SessionAuthKeys {
    pub(super) fn new(settings: &DjangoSettings) -> Option<Self> {
        let hash = settings.user_model.session_auth_hash.as_ref()?;
        let djangos = SessionAuthHash::default();
        let fallbacks_are_djangos = hash.has_fallbacks_of_django();
        let of_fallbacks = if fallbacks_are_djangos { &djangos } else { hash };
        let key = |hash: &SessionAuthHash, secret: &Vec<u8>| {
            SaltedHmac::new(&hash.key_salt, secret, hash.algorithm)
        };
        let fallbacks = settings.secret_key_fallbacks.iter();
        Some(Self {
            current: key(hash, &settings.secret_key),
            fallbacks: fallbacks.map(|secret| key(of_fallbacks, secret)).collect(),
            fallbacks_are_djangos,
        })
    }

    /// The hash of this text, in hexadecimal digits.
    pub(super) fn hexdigest(&self, message: &str) -> String {
        self.current.hexdigest(message)
    }

    pub(super) fn is_current(&self, message: &str, found: &str) -> bool {
        self.current.verify_hex(message, found)
    }

    pub(super) fn is_fallback(&self, password: &str, message: &str, found: &str) -> bool {
        let message = if self.fallbacks_are_djangos { password } else { message };
        self.fallbacks.iter().any(|key| key.verify_hex(message, found))
    }
}
