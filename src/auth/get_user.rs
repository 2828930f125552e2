//! `get_user` of `django.contrib.auth`: whom a session stands for, checked in Django's order (A4).

use futures_util::future::join;
use tokio_postgres::Row;

use super::{DjangoUser, UserHints};
use crate::{
    error::{Error, NotLoggedIn, Unavailable},
    observe::Event,
    session::{DjangoSession, SessionData, SessionKey},
    settings::{AuthenticationBackend, DjangoSettings},
    store::{PrimaryKeyValue, SessionStore},
};

/// `SESSION_KEY`, `BACKEND_SESSION_KEY` and `HASH_SESSION_KEY` of `django.contrib.auth`.
const USER_ID: &str = "_auth_user_id";
const BACKEND: &str = "_auth_user_backend";
const HASH: &str = "_auth_user_hash";

impl SessionStore {
    /// The user whom a session stands for, as Django's `get_user(request)` finds and checks it: the
    /// id and the backend are there, the backend is listed, the user exists and is active, and the
    /// session auth hash is that of the password, under the secret key or a fallback.
    ///
    /// Unlike Django, this never writes: a wrong hash does not delete the session, a hash made with
    /// a fallback key is accepted without a new session key, and an id that cannot be one is
    /// nobody, where Django answers with a 500.
    ///
    /// # Errors
    /// [`Error::Anonymous`], [`Error::Undecodable`] or [`Error::NotLoggedIn`] if it stands for
    /// nobody; [`Error::Unavailable`] when PostgreSQL does not answer.
    pub async fn get_user(&self, session: &DjangoSession) -> Result<DjangoUser, Error> {
        self.get_user_from(session, None).await
    }

    /// The session with this key and its user, both asked for at once if there is a hint who that
    /// is.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; whatever is the matter with the session or the user stands in their
    /// place.
    pub(crate) async fn load_with_user(
        &self,
        key: &SessionKey,
        hints: &UserHints,
    ) -> Result<(Result<DjangoSession, Error>, Result<DjangoUser, Error>), Error> {
        let fetch_hinted = async {
            let key = hints.get(key)?;
            // If this fails, the query for the user is asked again, and its error counts.
            let row = self.user_row(&key).await.ok()?;
            Some(Fetched { key, row })
        };
        let (session, fetched) = join(self.load(key), fetch_hinted).await;
        let user = match &session {
            Ok(session) => self.get_user_from(session, fetched).await,
            Err(error) => Err(error.clone()),
        };
        match &user {
            Ok(user) => user.key().into_iter().for_each(|user| hints.remember(key, user)),
            Err(error) if error.is_rejection() => hints.forget(key),
            Err(error) => return Err(error.clone()),
        }
        Ok((session, user))
    }

    async fn get_user_from(
        &self,
        session: &DjangoSession,
        fetched: Option<Fetched>,
    ) -> Result<DjangoUser, Error> {
        let data = session.data()?;
        let id = data.get_json(USER_ID).ok_or(Error::Anonymous)?;
        let backend = listed_backend(data, self.settings())?;
        let key = self.primary_key().await?.parse(id).ok_or(NotLoggedIn::NoSuchUser)?;
        let user = self.user(key, fetched).await?.ok_or(NotLoggedIn::NoSuchUser)?;
        if !user.is_active() && !backend.admits_inactive {
            return Err(NotLoggedIn::Inactive.into());
        }
        if !self.is_session_auth_hash(data, &user)? {
            return Err(NotLoggedIn::WrongHash.into());
        }
        match &self.settings().login_policy {
            Some(policy) if !policy(data, &user) => Err(NotLoggedIn::RefusedByPolicy.into()),
            _ => {
                self.settings().observer.event(Event::UserFound);
                Ok(user)
            }
        }
    }

    /// Whether the session was made with the user's password of today, under the secret key or a
    /// fallback (A7, A8).
    fn is_session_auth_hash(&self, data: &SessionData, user: &DjangoUser) -> Result<bool, Error> {
        let Some(hash) = &self.settings().user_model.session_auth_hash else { return Ok(true) };
        let password = user.password().map_err(Unavailable::Query)?;
        let message = match &hash.message {
            Some(message) => message(&password, user),
            None => password,
        };
        // Django makes text of other values, but no hash looks like theirs.
        let found = data.get::<String>(HASH).ok().flatten().unwrap_or_default();
        let key = self.session_auth_keys().iter().position(|key| key.verify_hex(&message, &found));
        if key.is_some_and(|position| position > 0) {
            self.settings().observer.event(Event::FallbackKey);
        }
        Ok(key.is_some())
    }

    async fn user(
        &self,
        key: PrimaryKeyValue,
        fetched: Option<Fetched>,
    ) -> Result<Option<DjangoUser>, Error> {
        let row = match fetched {
            Some(fetched) if fetched.key == key => fetched.row,
            _ => self.user_row(&key).await?,
        };
        let Some(row) = row else { return Ok(None) };
        let user = DjangoUser::from_row(row, self.clone(), key);
        Ok(Some(user.map_err(Unavailable::Query)?))
    }
}

/// What was found under a primary key.
struct Fetched {
    key: PrimaryKeyValue,
    row: Option<Row>,
}

fn listed_backend<'a>(
    data: &SessionData,
    settings: &'a DjangoSettings,
) -> Result<&'a AuthenticationBackend, Error> {
    let path = data.get_json(BACKEND).ok_or(Error::Anonymous)?;
    // Whatever is not text is not listed.
    let path: Option<String> = serde_json::from_str(path).ok();
    let listed = settings
        .authentication_backends
        .iter()
        .find(|backend| Some(&backend.path) == path.as_ref());
    listed.ok_or_else(|| NotLoggedIn::BackendNotListed.into())
}
