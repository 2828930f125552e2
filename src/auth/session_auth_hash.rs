//! The session auth hash: what ends a user's sessions when the password changes.

use super::{DjangoSite, DjangoUser};
use crate::{error::Error, observe::Event, session::SessionData, settings::SessionAuthHash};

/// `HASH_SESSION_KEY` of `django.contrib.auth`.
pub(crate) const HASH: &str = "_auth_user_hash";

impl DjangoSite {
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
        if keys.is_current(&message, &found) {
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
    /// As [`DjangoSite::get_user`].
    pub(crate) fn upgraded_hash(
        &self,
        data: &SessionData,
        user: &DjangoUser,
    ) -> Result<Option<String>, Error> {
        let Some(keys) = self.session_auth_keys() else { return Ok(None) };
        let (password, message) = self.hashed(user)?;
        let found = data.get::<String>(HASH).ok().flatten().unwrap_or_default();
        // Not merely another one: a hook may have put another user in the place of the session's.
        let is_fallback =
            !keys.is_current(&message, &found) && keys.is_fallback(&password, &message, &found);
        Ok(is_fallback.then(|| keys.hexdigest(&message)))
    }

    /// The hash of today: `user.get_session_auth_hash()`. `None` if the model has none.
    ///
    /// # Errors
    /// As [`DjangoSite::get_user`].
    pub(crate) fn session_auth_hash(&self, user: &DjangoUser) -> Result<Option<String>, Error> {
        let Some(keys) = self.session_auth_keys() else { return Ok(None) };
        let (_, message) = self.hashed(user)?;
        Ok(Some(keys.hexdigest(&message)))
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
