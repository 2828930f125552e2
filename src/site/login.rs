//! `login` of `django.contrib.auth`: what it does to the session.

use super::{DjangoSite, HASH, get_user::BACKEND};
use crate::{
    auth::DjangoUser,
    crypto::constant_time_compare,
    error::{DecodeError, Error},
    session::{Changes, SessionData, USER_ID},
    settings::AuthenticationBackend,
};

/// What a login does to a session.
#[derive(Debug)]
pub(crate) struct Login {
    before: Before,
    entries: [(&'static str, String); 3],
}

/// What becomes of the session that the visitor had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// The session is of the same user, with the current password: it stays.
    Kept,
    /// The session is anonymous: its data stays, under a new key, so that a key that an attacker planted
    /// is worthless (session fixation).
    Cycled,
    /// The session is of another user, or of another password: nothing stays.
    Flushed,
}

impl DjangoSite {
    /// What a login of this user does to a session with this data.
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if there are several backends and none is given;
    /// [`Error::Unavailable`].
    pub(crate) async fn login_of(
        &self,
        user: &DjangoUser,
        backend: Option<&str>,
        data: &SessionData,
    ) -> Result<Login, Error> {
        let backend = self.backend_of(user, backend)?.to_owned();
        let hash = self.session_auth_hash(user)?;
        let before = match data.get_json(USER_ID) {
            None => Before::Cycled,
            // Django tries no fallback keys here: a hash of one counts as another user's (I2).
            Some(_) if self.is_of(data, user).await? && has_hash(data, hash.as_deref()) => {
                Before::Kept
            }
            Some(_) => Before::Flushed,
        };
        let id = self.session_id_of(user)?;
        let hash = hash.unwrap_or_default();
        Ok(Login { before, entries: [(USER_ID, id), (BACKEND, backend), (HASH, hash)] })
    }

    /// This data after a login of this user, by the first backend if none is known.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn logged_in(
        &self,
        user: &DjangoUser,
        mut data: SessionData,
    ) -> Result<SessionData, Error> {
        let backends = &self.settings().authentication_backends;
        let backend = user.backend().or(backends.first().map(|backend| &*backend.path));
        for (key, value) in self.login_of(user, backend, &data).await?.entries {
            data.insert(key, &value).map_err(DecodeError::from)?;
        }
        Ok(data)
    }

    /// The backend for this login: the given one, that by which `authenticate` found the user, or the
    /// only one.
    fn backend_of<'a>(
        &'a self,
        user: &'a DjangoUser,
        given: Option<&'a str>,
    ) -> Result<&'a str, Error> {
        match (given.or(user.backend()), &self.settings().authentication_backends[..]) {
            (Some(backend), _) => Ok(backend),
            (None, [AuthenticationBackend { path, .. }]) => Ok(path),
            (None, _) => Err(Error::ImproperlyConfigured(
                "AUTHENTICATION_BACKENDS lists several backends: log in a user whom `authenticate` \
                 found, or give the backend to `login_with_backend`"
                    .into(),
            )),
        }
    }

    /// Whether the session with this data names this user.
    async fn is_of(&self, data: &SessionData, user: &DjangoUser) -> Result<bool, Error> {
        let wait = self.database().read_budget().wait();
        let named = self.primary_key_in(data, wait.deadline()).await?;
        Ok(named.as_ref() == Some(user.key()))
    }
}

fn has_hash(data: &SessionData, hash: Option<&str>) -> bool {
    let Some(hash) = hash else { return true };
    let found = data.get::<String>(HASH).ok().flatten().unwrap_or_default();
    constant_time_compare(found, hash)
}

impl Login {
    /// Applies the login to the session.
    ///
    /// # Errors
    /// [`Error::Undecodable`], never in practice, because text has a JSON form.
    pub(crate) fn apply(&self, changes: &mut Changes) -> Result<(), Error> {
        match self.before {
            Before::Kept => {}
            Before::Cycled => changes.cycle_for_login(),
            Before::Flushed => changes.flush(),
        }
        for (key, value) in &self.entries {
            changes.insert(key, value).map_err(DecodeError::from)?;
        }
        Ok(())
    }
}
