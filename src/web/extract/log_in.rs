//! `login`, `logout` and `update_session_auth_hash` of `django.contrib.auth`.

use super::DjangoSessionMut;
use crate::{
    auth::{DjangoUser, HASH},
    error::Error,
};

/// # Login and logout
impl DjangoSessionMut {
    /// Logs a user in to this session, as Django's `login(request, user)` does:
    ///
    /// | the session before | after |
    /// |---|---|
    /// | anonymous, or none | keeps its data, gets a new key |
    /// | of this user, with the current password | stays as it is |
    /// | of another user or another password | is deleted; a new one begins |
    /// | anonymous, and ended meanwhile by another request | is new, with the data of this request alone |
    ///
    /// The CSRF secret is replaced. `last_login` is written at once; the session is stored after the handler,
    /// if the status of the answer is below 500. Later extractors of this request see this user.
    ///
    /// As in Django, this does not check whether the account is active:
    /// [`authenticate`](crate::DjangoSite::authenticate) does, and so does the next request.
    ///
    /// ```
    /// use actix_django_session::{DjangoSessionMut, Error, DjangoSite};
    /// use actix_web::{HttpResponse, web};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Credentials {
    ///     username: String,
    ///     password: String,
    /// }
    ///
    /// async fn log_in(
    ///     session: DjangoSessionMut,
    ///     site: DjangoSite,
    ///     form: web::Form<Credentials>,
    /// ) -> Result<HttpResponse, Error> {
    ///     match site.authenticate(form.username.trim(), &form.password).await? {
    ///         Some(user) => {
    ///             session.login(&user).await?;
    ///             Ok(HttpResponse::SeeOther().insert_header(("Location", "/")).finish())
    ///         }
    ///         None => Ok(HttpResponse::Unauthorized().body("wrong name or password")),
    ///     }
    /// }
    /// ```
    ///
    /// Django's signal `user_logged_in` is not sent. What a site has connected to it, such as the locks of
    /// django-axes or the mails of django-allauth, does not run for this login.
    ///
    /// # Errors
    /// After an error the session is unchanged.
    ///
    /// - [`Error::NotLoggedIn`] if the user was deleted.
    /// - [`Error::ImproperlyConfigured`] if there are several `AUTHENTICATION_BACKENDS` and `authenticate` did
    ///   not find this user: see [`login_with_backend`](Self::login_with_backend).
    /// - [`Error::Unavailable`] when PostgreSQL does not answer, or the role may not update `last_login`.
    pub async fn login(&self, user: &DjangoUser) -> Result<(), Error> {
        self.log_in(user, None).await
    }

    /// Logs a user in as [`login`](Self::login) does, by the backend with this dotted path: Django's
    /// `login(request, user, backend=..)`. Use it on a site with several backends, for a user whom
    /// [`authenticate`](crate::DjangoSite::authenticate) did not find. The path has to be one of the
    /// `AUTHENTICATION_BACKENDS`; otherwise the visitor is anonymous from the next request on.
    ///
    /// # Errors
    /// Those of [`login`](Self::login).
    pub async fn login_with_backend(&self, user: &DjangoUser, backend: &str) -> Result<(), Error> {
        self.log_in(user, Some(backend)).await
    }

    async fn log_in(&self, user: &DjangoUser, backend: Option<&str>) -> Result<(), Error> {
        let site = self.visit.site();
        let login = site.login_of(user, backend, &self.data()).await?;
        // Django writes `last_login` last. Here a reader sees both changes, or `last_login` alone (I4).
        site.update_last_login(user).await?;
        self.session().change(|changes| login.apply(changes))?;
        self.session().set_user(site, Ok(user.clone()));
        self.visit.csrf.rotate_token();
        Ok(())
    }

    /// Logs the visitor out, as Django's `logout(request)` does. The session's row is deleted at once, and its
    /// cookie with the answer, whatever the status. Other sessions of the user stay. Data that is set
    /// afterwards starts a new anonymous session.
    ///
    /// Django's signal `user_logged_out` is not sent.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when PostgreSQL does not answer. Then the visitor may still be logged in.
    pub async fn logout(&self) -> Result<(), Error> {
        self.flush();
        self.session().set_user(self.visit.site(), Err(Error::Anonymous));
        self.session().delete_flushed().await
    }

    /// Keeps the user logged in after a change of password, as Django's
    /// `update_session_auth_hash(request, user)` does: the session gets a new key and the hash of the new
    /// password. All other sessions of the user end at their next request.
    ///
    /// The handler has to extract its [`DjangoUser`] before the password changes:
    ///
    /// ```
    /// use actix_django_session::{DjangoSessionMut, DjangoUser, Error, DjangoSite};
    /// use actix_web::web;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct NewPassword {
    ///     password: String,
    /// }
    ///
    /// async fn change_password(
    ///     user: DjangoUser,
    ///     session: DjangoSessionMut,
    ///     site: DjangoSite,
    ///     new: web::Form<NewPassword>,
    /// ) -> Result<&'static str, Error> {
    ///     let user = site.set_password(&user, &new.password).await?;
    ///     session.update_session_auth_hash(&user).await?;
    ///     Ok("changed")
    /// }
    /// ```
    ///
    /// If other code has changed the password column, look the user up again first: `site.user(user.id())`.
    /// For a user who is not that of this request, only the session key changes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when PostgreSQL does not answer.
    pub async fn update_session_auth_hash(&self, user: &DjangoUser) -> Result<(), Error> {
        self.cycle_key();
        let is_theirs = match self.visit.user().await {
            Ok(current) => current.id() == user.id(),
            Err(error) if error.wants_login() => false,
            Err(error) => return Err(error),
        };
        let site = self.visit.site();
        if let Some(hash) = site.session_auth_hash(user)?.filter(|_| is_theirs) {
            self.insert(HASH, &hash)?;
            self.session().set_user(site, Ok(user.clone()));
        }
        Ok(())
    }
}
