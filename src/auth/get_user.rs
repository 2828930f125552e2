//! `get_user` of `django.contrib.auth`: whom a session stands for, checked in Django's order.

use std::pin::pin;

use futures_util::future::{Either, ready, select};
use tokio::time::Instant;

use super::{DjangoSite, DjangoUser};
use crate::{
    database::{Budget, PrimaryKeyValue, UserHint, UserRow, Wait},
    error::{Error, NotLoggedIn},
    session::{DjangoSession, SessionData, SessionKey, USER_ID},
    settings::AuthenticationBackend,
};

/// `BACKEND_SESSION_KEY` of `django.contrib.auth`.
pub(crate) const BACKEND: &str = "_auth_user_backend";

impl DjangoSite {
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
        self.get_user_within(session, &self.database().budget()).await
    }

    /// [`DjangoSite::get_user`], with what is left of the budget of a request.
    pub(crate) async fn get_user_within(
        &self,
        session: &DjangoSession,
        budget: &Budget,
    ) -> Result<DjangoUser, Error> {
        let wait = budget.wait();
        let (user, backend) = self.get_user_from(session, None, &wait).await?;
        drop(wait);
        self.last_word(session, user, backend).await
    }

    /// Whether a session still stands for this user, as it did when `session` and `user` were
    /// handed out: the session was not ended and has not expired, and the user is still active and
    /// has the password of then. The user, with the rights of now.
    ///
    /// For whatever outlives a request, such as a WebSocket or a stream of events: ask on a timer,
    /// and end it on an error. Thousands may ask every second, the questions of a worker go to the
    /// database together. A visitor who changes the password gets another session, so that what is
    /// open ends and has to be opened again.
    ///
    /// ```no_run
    /// # use actix_django_session::{DjangoSession, DjangoUser, DjangoSite};
    /// # use std::time::Duration;
    /// # async fn f(site: DjangoSite, session: DjangoSession, user: DjangoUser) {
    /// let mut timer = actix_web::rt::time::interval(Duration::from_secs(1));
    /// loop {
    ///     timer.tick().await;
    ///     if site.revalidate(&session, &user).await.is_err() {
    ///         break; // logged out, deactivated, .., or the database is away
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// What [`DjangoSite::load`] and [`DjangoSite::get_user`] say, and
    /// [`NotLoggedIn::AnotherUser`] if the session stands for somebody else by now.
    pub async fn revalidate(
        &self,
        session: &DjangoSession,
        user: &DjangoUser,
    ) -> Result<DjangoUser, Error> {
        let budget = self.database().budget();
        let now = self.load_with_user(session.key(), false, &budget).await?.1?;
        if now.id() != user.id() {
            return Err(NotLoggedIn::AnotherUser.into());
        }
        Ok(now)
    }

    /// The session with this key and its user, both asked for at once if there is a hint who that
    /// is, and if need be the user's permissions too.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; whatever is the matter with the session or the user stands in their
    /// place.
    pub(crate) async fn load_with_user(
        &self,
        key: &SessionKey,
        with_permissions: bool,
        budget: &Budget,
    ) -> Result<(Result<DjangoSession, Error>, Result<DjangoUser, Error>), Error> {
        let wait = budget.wait();
        let (session, user) = self.load_at_once(key, with_permissions, &wait).await;
        drop(wait);
        match &user {
            Ok((user, _)) => {
                let hint = user.key().map(|of| UserHint {
                    user: of.clone(),
                    looks_up_permissions: user.looks_up_permissions(),
                });
                hint.into_iter().for_each(|hint| self.database().hints().remember(key, hint));
            }
            Err(error) if error.is_rejection() => self.database().hints().forget(key),
            Err(error) => return Err(error.clone()),
        }
        let user = match (&session, user) {
            (Ok(session), Ok((user, backend))) => self.last_word(session, user, backend).await,
            (_, user) => user.map(|(user, _)| user),
        };
        match user {
            Err(error) if !error.is_rejection() => Err(error),
            user => Ok((session, user)),
        }
    }

    async fn load_at_once(
        &self,
        key: &SessionKey,
        with_permissions: bool,
        wait: &Wait<'_>,
    ) -> Found<'_> {
        let hint = self.database().hints().get(key);
        let user = hint.as_ref().map(|hint| hint.user.clone());
        let found = self.load_and_get_user(key, user, wait);
        let with_permissions = with_permissions && self.settings().grants_permissions();
        let Some(hint) = hint.filter(|hint| with_permissions && hint.looks_up_permissions) else {
            return found.await;
        };
        let permissions = pin!(self.database().permissions_of(&hint.user, wait.deadline()));
        let ((session, user), permissions) = match select(pin!(found), permissions).await {
            Either::Left((found, permissions)) => (found, Either::Left(permissions)),
            Either::Right((permissions, found)) => (found.await, Either::Right(ready(permissions))),
        };
        let user = match user {
            // Nobody waits for what is not needed.
            Ok((user, backend))
                if user.key() == Some(&hint.user) && user.looks_up_permissions() =>
            {
                permissions.await.map(|permissions| {
                    user.set_permissions(permissions);
                    (user, backend)
                })
            }
            user => user,
        };
        (session, user)
    }

    async fn load_and_get_user(
        &self,
        key: &SessionKey,
        hint: Option<PrimaryKeyValue>,
        wait: &Wait<'_>,
    ) -> Found<'_> {
        let (session, hinted) = self.load_hinted(key, hint, wait.deadline()).await;
        let was_hinted = hinted.is_some();
        let user = match &session {
            Ok(session) => match self.get_user_from(session, hinted, wait).await {
                // The user may have been read before a change that the session shows already.
                Err(Error::NotLoggedIn(_)) if was_hinted => {
                    self.get_user_from(session, None, wait).await
                }
                user => user,
            },
            Err(error) => Err(error.clone()),
        };
        (session, user)
    }

    /// The session, and the row of the user whom a hint names.
    async fn load_hinted(
        &self,
        key: &SessionKey,
        hint: Option<PrimaryKeyValue>,
        deadline: Instant,
    ) -> (Result<DjangoSession, Error>, Option<Hinted>) {
        let Some(user) = hint else {
            return (self.load_by(key, deadline).await, None);
        };
        let session = pin!(self.load_by(key, deadline));
        let row = pin!(self.database().user_row(&user, deadline));
        let (session, row) = match select(session, row).await {
            // Nobody will ask for the user.
            Either::Left((Err(error), _)) => return (Err(error), None),
            Either::Left((session, row)) => (session, row.await),
            Either::Right((row, session)) => (session.await, row),
        };
        (session, Some(Hinted { key: user.clone(), row }))
    }

    async fn get_user_from(
        &self,
        session: &DjangoSession,
        hinted: Option<Hinted>,
        wait: &Wait<'_>,
    ) -> Result<(DjangoUser, &AuthenticationBackend), Error> {
        let data = session.data()?;
        if data.get_json(USER_ID).is_none() {
            return Err(Error::Anonymous);
        }
        let backend = self.listed_backend(data)?;
        let key = self.primary_key_in(data, wait.deadline()).await?;
        let key = key.ok_or(NotLoggedIn::NoSuchUser)?;
        let user = self.user_of_key(key, hinted, wait).await?.ok_or(NotLoggedIn::NoSuchUser)?;
        if !user.is_active() && !backend.admits_inactive {
            return Err(NotLoggedIn::Inactive.into());
        }
        if !self.is_session_auth_hash_in(data, &user)? {
            return Err(NotLoggedIn::WrongHash.into());
        }
        Ok((user, backend))
    }

    /// The primary key that the session names. An id that can be none is worth a warning: if all
    /// are like that, nobody is logged in.
    pub(super) async fn primary_key_in(
        &self,
        data: &SessionData,
        deadline: Instant,
    ) -> Result<Option<PrimaryKeyValue>, Error> {
        let primary_key = self.database().primary_key(deadline).await?;
        let key = match &self.hooks().user_id_to_primary_key {
            Some(key_of) => {
                let key = data.user_id().and_then(|id| key_of(&id));
                key.and_then(|key| primary_key.parse_text(&key))
            }
            None => data.get_json(USER_ID).and_then(|id| primary_key.parse(id)),
        };
        if key.is_none() {
            let column = &self.settings().user_model.primary_key;
            self.observer().misfit_id(column, primary_key.kind());
        }
        Ok(key)
    }

    async fn user_of_key(
        &self,
        key: PrimaryKeyValue,
        hinted: Option<Hinted>,
        wait: &Wait<'_>,
    ) -> Result<Option<DjangoUser>, Error> {
        let row = match hinted {
            Some(hinted) if hinted.key == key => hinted.row?,
            _ => self.database().user_row(&key, wait.deadline()).await?,
        };
        Ok(row.map(|row| self.user_in(row, key, wait)))
    }

    pub(super) fn user_in(
        &self,
        row: UserRow,
        key: PrimaryKeyValue,
        wait: &Wait<'_>,
    ) -> DjangoUser {
        DjangoUser::from_row(row, (self.database().clone(), key, wait.budget().clone()))
    }

    /// The backend that the session came in by.
    fn listed_backend(&self, data: &SessionData) -> Result<&AuthenticationBackend, Error> {
        let path = data.get_json(BACKEND).ok_or(Error::Anonymous)?;
        // Whatever is not text is not listed.
        let path: Option<String> = serde_json::from_str(path).ok();
        let backends = &self.settings().authentication_backends;
        let listed = backends.iter().find(|backend| Some(&backend.path) == path.as_ref());
        let reason = match listed {
            Some(backend) if backend.reads_users => return Ok(backend),
            Some(_) => NotLoggedIn::BackendNotRead,
            None => NotLoggedIn::BackendNotListed,
        };
        self.observer().other_backend(path.as_deref().unwrap_or_default());
        Err(reason.into())
    }
}

/// The session with a key, and its user with the backend.
type Found<'a> =
    (Result<DjangoSession, Error>, Result<(DjangoUser, &'a AuthenticationBackend), Error>);

/// What was found for a hint.
struct Hinted {
    key: PrimaryKeyValue,
    row: Result<Option<UserRow>, Error>,
}
