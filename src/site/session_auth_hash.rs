//! The session auth hash: what ends a user's sessions when the password changes.

use std::borrow::Cow;

use super::DjangoSite;
use crate::{
    auth::{DjangoUser, HASH, hash_in},
    error::Error,
    observe::Event,
    session::{DecodedText, SessionData},
    settings::SessionAuthHash,
    signing::KeyUsed,
};

impl DjangoSite {
    /// Whether the session's hash is that of the user's current password, with the secret key or a
    /// fallback.
    ///
    /// # Errors
    /// As [`DjangoSite::get_user`].
    pub(super) fn is_session_auth_hash_in(
        &self,
        session: &DecodedText,
        user: &DjangoUser,
    ) -> Result<bool, Error> {
        let Some(keys) = self.session_auth_keys() else { return Ok(true) };
        let message = self.hashed(user)?;
        let hashed = [user.password(), &*message];
        let verify = || keys.key_of(&hash_in(session.data()), hashed);
        let key = session.auth_hash_key(keys.id(), hashed, verify);
        if key == Some(KeyUsed::Fallback) {
            self.observer().event(Event::FallbackKey);
        }
        Ok(key.is_some())
    }

    /// The key that the session auth hash in this data was made with, if it is one of the user's.
    ///
    /// # Errors
    /// As [`DjangoSite::get_user`].
    pub(super) fn key_of_session_auth_hash(
        &self,
        data: &SessionData,
        user: &DjangoUser,
    ) -> Result<Option<KeyUsed>, Error> {
        let Some(keys) = self.session_auth_keys() else { return Ok(Some(KeyUsed::Current)) };
        Ok(keys.key_of(&hash_in(data), [user.password(), &self.hashed(user)?]))
    }

    /// The hash with the current key, if the session's hash was made with a fallback key.
    ///
    /// # Errors
    /// As [`DjangoSite::get_user`].
    pub(crate) fn upgraded_hash(
        &self,
        data: &SessionData,
        user: &DjangoUser,
    ) -> Result<Option<String>, Error> {
        let Some(keys) = self.session_auth_keys() else { return Ok(None) };
        let message = self.hashed(user)?;
        let (found, hashed) = (data.get_json(HASH), [user.password(), &*message]);
        let verify = || keys.key_of(&hash_in(data), hashed);
        let key = match user.session_text().filter(|text| text.data().get_json(HASH) == found) {
            Some(text) => text.auth_hash_key(keys.id(), hashed, verify),
            None => verify(),
        };
        // Only then: a different hash may be there because a hook has returned another user than the
        // session's.
        Ok((key == Some(KeyUsed::Fallback)).then(|| keys.hexdigest(&message)))
    }

    /// The hash with the current key: `user.get_session_auth_hash()`. `None` if the model has none.
    ///
    /// # Errors
    /// As [`DjangoSite::get_user`].
    pub(crate) fn session_auth_hash(&self, user: &DjangoUser) -> Result<Option<String>, Error> {
        let Some(keys) = self.session_auth_keys() else { return Ok(None) };
        Ok(Some(keys.hexdigest(&self.hashed(user)?)))
    }

    /// The text that is hashed.
    fn hashed<'a>(&self, user: &'a DjangoUser) -> Result<Cow<'a, str>, Error> {
        let Some(message) = &self.hooks().session_auth_hash_message else {
            return Ok(user.password().into());
        };
        let hash = self.settings().user_model.session_auth_hash.as_ref();
        if !hash.is_some_and(SessionAuthHash::is_overridden) {
            return Err(Error::ImproperlyConfigured(
                "`DjangoSite::session_auth_hash_message` needs a `SessionAuthHash` that names the \
                 overridden method of the user model (`UserModel::session_auth_hash`)"
                    .into(),
            ));
        }
        Ok(message(user.password(), user)?.into())
    }
}
