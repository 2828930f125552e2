//! `login` of `django.contrib.auth`, for a user and a session of this site.

use super::DjangoSite;
use crate::{
    auth::{DjangoUser, Login, backend_of_login},
    error::{DecodeError, Error},
    session::{SessionData, USER_ID},
};

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
        let backends = &self.settings().authentication_backends;
        let backend = backend_of_login(backends, user, backend)?.to_owned();
        let hash = self.session_auth_hash(user)?;
        let names_user = data.get_json(USER_ID).is_some() && self.is_of(data, user).await?;
        Ok(Login::new(data, names_user, self.user_id_for_session(user)?, backend, hash))
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
        for (key, value) in self.login_of(user, backend, &data).await?.entries() {
            data.insert(key, value).map_err(DecodeError::from)?;
        }
        Ok(data)
    }

    /// Whether the session with this data names this user.
    async fn is_of(&self, data: &SessionData, user: &DjangoUser) -> Result<bool, Error> {
        let wait = self.database().read_budget().wait();
        let named = self.primary_key_in(data, wait.deadline()).await?;
        Ok(named.as_ref() == Some(user.key()))
    }
}
