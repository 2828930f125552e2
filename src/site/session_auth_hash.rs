//! The session auth hash: what ends a user's sessions when the password changes.

use std::borrow::Cow;

use super::DjangoSite;
use crate::{
    auth::{DjangoUser, HASH, hash_in},
    error::Error,
    observe::Event,
    session::{CheckedLogin, DecodedText, SessionData, USER_ID},
    settings::{AuthenticationBackend, SessionAuthHash},
    signing::KeyUsed,
};

impl DjangoSite {
    /// Whether the session's hash is that of the current password of the user, whom this backend lets in,
    /// with the secret key or a fallback. If it is, the login is remembered.
    ///
    /// # Errors
    /// As [`DjangoSite::get_user`].
    pub(super) fn is_session_auth_hash_in(
        &self,
        session: &DecodedText,
        user: &DjangoUser,
        backend: &AuthenticationBackend,
    ) -> Result<bool, Error> {
        let message = match self.session_auth_keys() {
            Some(_) => self.hashed(user)?,
            None => "".into(),
        };
        let hashed = [user.password(), &*message];
        let (login, keys) = (self.checked_login(session), self.session_auth_keys());
        let key = match login.and_then(|login| login.key_for(hashed)) {
            Some(key) => key,
            None => {
                let key = match keys {
                    Some(keys) => keys.key_of(&hash_in(session.data()), hashed),
                    None => Some(KeyUsed::Current),
                };
                let Some(key) = key else { return Ok(false) };
                self.remember_login(session, backend, key, hashed);
                key
            }
        };
        if key == KeyUsed::Fallback {
            self.observer().event(Event::FallbackKey);
        }
        Ok(true)
    }

    /// The login in this text, if this site has found it to be right.
    pub(super) fn checked_login<'a>(&self, text: &'a DecodedText) -> Option<&'a CheckedLogin> {
        text.checked_login(self.memo().site())
    }

    fn remember_login(
        &self,
        text: &DecodedText,
        backend: &AuthenticationBackend,
        key: KeyUsed,
        hashed: [&str; 2],
    ) {
        let mut backends = self.settings().authentication_backends.iter();
        let index = backends.position(|other| other.path == backend.path);
        let user_id = text.data().get_json(USER_ID);
        let Some((index, user_id)) = index.zip(user_id) else { return };
        let by = (self.memo().site(), index);
        if let Some(login) = CheckedLogin::new(by, user_id, key, hashed) {
            text.remember_login(login);
        }
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
        let text = user.session_text().filter(|text| text.data().get_json(HASH) == found);
        let known = text.and_then(|text| self.checked_login(text)?.key_for(hashed));
        let key = known.or_else(|| keys.key_of(&hash_in(data), hashed));
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
