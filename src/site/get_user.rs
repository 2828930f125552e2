//! `get_user` of `django.contrib.auth`: the user of a session, checked in Django's order.

use std::{sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::DjangoSite;
use crate::{
    auth::{BACKEND, DjangoUser, admits, backend_in},
    database::{Budget, HeldPermissions, PrimaryKeyValue, UserRow, Wait},
    error::{Error, NotLoggedIn},
    session::{DecodedText, DjangoSession, SessionData, SessionKey, USER_ID, user_id_in},
    settings::AuthenticationBackend,
};

/// The session of a session key, and its user.
pub(crate) struct Visitor {
    pub(crate) session: Result<DjangoSession, Error>,
    pub(crate) user: Result<DjangoUser, Error>,
}

/// # Users: of a session
impl DjangoSite {
    /// Looks up the user of a session and checks it as Django's `get_user(request)` does:
    ///
    /// 1. The session has a user id and a backend.
    /// 2. The backend is one of the `AUTHENTICATION_BACKENDS`.
    /// 3. The user exists and is active.
    /// 4. The session auth hash is that of the stored password, with the secret key or a fallback.
    ///
    /// Then the hook [`after_get_user`](Self::after_get_user) runs, if there is one.
    ///
    /// Unlike Django, this method never writes. A wrong hash does not delete the session. A hash that was
    /// made with a fallback key does not get the session a new key. For an id that cannot be a primary key
    /// Django answers with a 500; here the visitor is not logged in.
    ///
    /// # Errors
    /// [`Error::Anonymous`], [`Error::Undecodable`] or [`Error::NotLoggedIn`] if no user is logged in;
    /// [`Error::Unavailable`] when PostgreSQL does not answer.
    pub async fn get_user(&self, session: &DjangoSession) -> Result<DjangoUser, Error> {
        let wait = self.database().read_budget().wait();
        let (user, backend) = self.get_user_from(session, None, &wait).await?;
        drop(wait);
        self.run_after_get_user(session, user, backend).await
    }

    /// Checks again that this user is logged in with this session: the session was not ended and has not
    /// expired, the user is active, and the password is the same. It returns the user with current
    /// permissions.
    ///
    /// Use it for a connection that outlives its request, such as a WebSocket or an event stream: call it
    /// on a timer, and close the connection on an error. Thousands of connections may call it every second,
    /// because a worker's calls share a query. A visitor who changes the password gets a new session, so
    /// open connections end and have to be opened again.
    ///
    /// ```no_run
    /// # use actix_django_session::{DjangoSession, DjangoUser, DjangoSite};
    /// # use std::time::Duration;
    /// # async fn f(site: DjangoSite, session: DjangoSession, user: DjangoUser) {
    /// let mut timer = actix_web::rt::time::interval(Duration::from_secs(1));
    /// loop {
    ///     timer.tick().await;
    ///     if site.revalidate(&session, &user).await.is_err() {
    ///         break; // logged out, deactivated, .., or the database does not answer
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`load`](DjangoSite::load) and [`get_user`](DjangoSite::get_user), and
    /// [`NotLoggedIn::AnotherUser`] if another user is logged in with the session now.
    pub async fn revalidate(
        &self,
        session: &DjangoSession,
        user: &DjangoUser,
    ) -> Result<DjangoUser, Error> {
        let budget = self.database().fresh_budget();
        let now = self.visitor(session.key(), &Arc::from([]), &budget).await?.user?;
        if now.id() != user.id() {
            return Err(NotLoggedIn::AnotherUser.into());
        }
        Ok(now)
    }

    /// The session with this key and its user, with those of these permissions that the user has.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. All other errors are in the fields of the [`Visitor`].
    pub(crate) async fn visitor(
        &self,
        key: &SessionKey,
        permissions: &Arc<[String]>,
        budget: &Budget,
    ) -> Result<Visitor, Error> {
        let wait = budget.wait();
        let (session, user) = match self.visit(key, permissions, &wait).await? {
            Some((session, hinted)) => (session, Some(hinted)),
            None => (self.load_by(key, wait.deadline()).await, None),
        };
        let user = match &session {
            Ok(session) => self.get_user_from(session, user, &wait).await,
            Err(error) => Err(error.clone()),
        };
        drop(wait);
        let user = match (&session, user) {
            (Ok(session), Ok((user, backend))) => {
                self.run_after_get_user(session, user, backend).await
            }
            (_, user) => user.map(|(user, _)| user),
        };
        match user {
            Err(error) if !error.wants_login() => Err(error),
            user => Ok(Visitor { session, user }),
        }
    }

    /// The session, and the row of the user who was logged in by it last time, from one statement. `None` for
    /// a visitor who is not remembered. Also `None` if one of the two is gone, or if the database refuses the
    /// statement: when session and user are read one by one, only the faulty one fails.
    async fn visit(
        &self,
        key: &SessionKey,
        permissions: &Arc<[String]>,
        wait: &Wait,
    ) -> Result<Option<(Result<DjangoSession, Error>, Hinted<'_>)>, Error> {
        let Some(remembered) = self.memo().get(key) else { return Ok(None) };
        let Some((backend, user)) = self.hint(&remembered, wait.deadline()).await? else {
            return Ok(None);
        };
        let permissions = match self.settings().grants_permissions() {
            true => Arc::clone(permissions),
            false => Arc::from([]),
        };
        let session = (key, &remembered);
        let visit = self.database().visit(session, user.clone(), &permissions, wait.deadline());
        let visit = match visit.await {
            Err(Error::Unavailable(error)) if error.is_refusal() => return Ok(None),
            visit => visit?,
        };
        let Some(visit) = visit else {
            self.memo().forget(key);
            return Ok(None);
        };
        let session = self.live_session(key, visit.session, SystemTime::now());
        if session.is_err() {
            self.memo().forget(key);
        }
        let (row, looked_up) = (visit.user, visit.held);
        let hinted = Hinted { text: remembered, backend, key: user, row, looked_up };
        Ok(Some((session, hinted)))
    }

    /// The backend and the primary key of the user who was logged in by this text.
    async fn hint(
        &self,
        remembered: &DecodedText,
        deadline: Instant,
    ) -> Result<Option<(&AuthenticationBackend, PrimaryKeyValue)>, Error> {
        let Some(login) = self.checked_login(remembered) else { return Ok(None) };
        let backend = self.settings().authentication_backends.get(login.backend());
        Ok(backend.zip(self.parse_primary_key(login.user_id(), deadline).await?))
    }

    async fn get_user_from<'a>(
        &'a self,
        session: &DjangoSession,
        hinted: Option<Hinted<'a>>,
        wait: &Wait,
    ) -> Result<(DjangoUser, &'a AuthenticationBackend), Error> {
        let text = session.decoded_text()?;
        let (backend, key, row, looked_up) = match hinted {
            // The session is unchanged, so its user id is too.
            Some(hinted) if Arc::ptr_eq(&hinted.text, text) => {
                (hinted.backend, hinted.key, hinted.row, hinted.looked_up)
            }
            hinted => {
                let data = text.data();
                if data.get_json(USER_ID).is_none() {
                    return Err(Error::Anonymous);
                }
                let backend = self.listed_backend(data)?;
                let key = self.primary_key_in(data, wait.deadline()).await?;
                let key = key.ok_or(NotLoggedIn::NoSuchUser)?;
                let (row, looked_up) = match hinted {
                    Some(hinted) if hinted.key == key => (hinted.row, hinted.looked_up),
                    _ => {
                        let row = self.database().user_row(&key, wait.deadline()).await?;
                        (row.ok_or(NotLoggedIn::NoSuchUser)?, None)
                    }
                };
                (backend, key, row, looked_up)
            }
        };
        let user = self.user_in(row, looked_up, key, wait);
        if !admits(backend, &user) {
            return Err(NotLoggedIn::Inactive.into());
        }
        if !self.is_session_auth_hash_in(text, &user, backend)? {
            return Err(NotLoggedIn::WrongHash.into());
        }
        user.set_session_text(text);
        Ok((user, backend))
    }

    /// The primary key that the session names. Warns of an id that cannot be a primary key: if all ids
    /// are like that, no visitor is logged in.
    pub(super) async fn primary_key_in(
        &self,
        data: &SessionData,
        deadline: Instant,
    ) -> Result<Option<PrimaryKeyValue>, Error> {
        let Some(id) = data.get_json(USER_ID) else { return Ok(None) };
        let key = self.parse_primary_key(id, deadline).await?;
        if key.is_none() {
            let column = &self.settings().user_model.primary_key;
            let kind = self.database().primary_key(deadline).await?.kind();
            self.observer().invalid_user_id(column, kind);
        }
        Ok(key)
    }

    /// The primary key that the JSON of a user id stands for.
    pub(super) async fn parse_primary_key(
        &self,
        id: &str,
        deadline: Instant,
    ) -> Result<Option<PrimaryKeyValue>, Error> {
        let primary_key = self.database().primary_key(deadline).await?;
        Ok(match &self.hooks().parse_user_id {
            Some(key_of) => {
                let key = user_id_in(id).and_then(|id| key_of(&id));
                key.and_then(|key| primary_key.parse_text(&key))
            }
            None => primary_key.parse(id),
        })
    }

    pub(super) fn user_in(
        &self,
        row: Arc<UserRow>,
        looked_up: Option<HeldPermissions>,
        key: PrimaryKeyValue,
        wait: &Wait,
    ) -> DjangoUser {
        let source = (self.database().clone(), key, wait.budget().clone());
        DjangoUser::from_row(row, looked_up, source, self.permission_policy())
    }

    /// The backend that the session came in by.
    fn listed_backend(&self, data: &SessionData) -> Result<&AuthenticationBackend, Error> {
        if data.get_json(BACKEND).is_none() {
            return Err(Error::Anonymous);
        }
        let reason = match backend_in(&self.settings().authentication_backends, data) {
            Some(backend) if backend.reads_users => return Ok(backend),
            Some(_) => NotLoggedIn::BackendNotRead,
            None => NotLoggedIn::BackendNotListed,
        };
        self.observer().other_backend(&data.text(BACKEND).unwrap_or_default());
        Err(reason.into())
    }
}

/// The user who was looked up together with a session.
struct Hinted<'a> {
    /// The session's data when the user was remembered.
    text: Arc<DecodedText>,
    backend: &'a AuthenticationBackend,
    key: PrimaryKeyValue,
    row: Arc<UserRow>,
    looked_up: Option<HeldPermissions>,
}
