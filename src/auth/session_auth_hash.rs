//! The session auth hash: what ends a user's sessions when the password changes.

use super::{DjangoUser, SessionStore};
use crate::{
    error::Error,
    observe::Event,
    session::SessionData,
    settings::{DjangoSettings, SessionAuthHash},
    signing::SaltedHmac,
};

/// `HASH_SESSION_KEY` of `django.contrib.auth`.
pub(crate) const HASH: &str = "_auth_user_hash";

/// The keys of the hash, derived once. `None` in a store whose user model has no such hash.
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

    fn is_fallback(&self, password: &str, message: &str, found: &str) -> bool {
        let message = if self.fallbacks_are_djangos { password } else { message };
        self.fallbacks.iter().any(|key| key.verify_hex(message, found))
    }
}

impl SessionStore {
    /// Whether the session was made with the user's password of today, under the secret key or a
    /// fallback.
    pub(super) fn is_session_auth_hash_in(
        &self,
        data: &SessionData,
        user: &DjangoUser,
    ) -> Result<bool, Error> {
        let Some(keys) = self.session_auth_keys() else { return Ok(true) };
        let (password, message) = self.hashed(user)?;
        // Django makes text of other values, but no hash looks like theirs.
        let found = data.get::<String>(HASH).ok().flatten().unwrap_or_default();
        if keys.current.verify_hex(&message, &found) {
            return Ok(true);
        }
        let is_fallback = keys.is_fallback(&password, &message, &found);
        if is_fallback {
            self.observer().event(Event::FallbackKey);
        }
        Ok(is_fallback)
    }

    /// The hash of today, if that in the session is of a fallback key.
    ///
    /// # Errors
    /// As [`SessionStore::get_user`].
    pub(crate) fn upgraded_hash(
        &self,
        data: &SessionData,
        user: &DjangoUser,
    ) -> Result<Option<String>, Error> {
        let Some(keys) = self.session_auth_keys() else { return Ok(None) };
        let (password, message) = self.hashed(user)?;
        let found = data.get::<String>(HASH).ok().flatten().unwrap_or_default();
        // Not merely another one: a hook may have put another user in the place of the session's.
        let is_fallback = !keys.current.verify_hex(&message, &found)
            && keys.is_fallback(&password, &message, &found);
        Ok(is_fallback.then(|| keys.current.hexdigest(&message)))
    }

    /// The hash of today: `user.get_session_auth_hash()`. `None` if the model has none.
    ///
    /// # Errors
    /// As [`SessionStore::get_user`].
    pub(crate) fn session_auth_hash(&self, user: &DjangoUser) -> Result<Option<String>, Error> {
        let Some(keys) = self.session_auth_keys() else { return Ok(None) };
        let (_, message) = self.hashed(user)?;
        Ok(Some(keys.current.hexdigest(&message)))
    }

    /// The stored password, and the text that the hash of today is made of.
    fn hashed(&self, user: &DjangoUser) -> Result<(String, String), Error> {
        let password = user.password().to_owned();
        let Some(message) = &self.hooks().session_auth_hash_message else {
            return Ok((password.clone(), password));
        };
        let hash = self.settings().user_model.session_auth_hash.as_ref();
        if !hash.is_some_and(SessionAuthHash::is_overridden) {
            return Err(Error::ImproperlyConfigured(
                "a session_auth_hash_message needs a SessionAuthHash that says which method of the \
                 user model is overridden"
                    .into(),
            ));
        }
        let message = message(&password, user)?;
        Ok((password, message))
    }
}
