//! Log-in and log-out: `django.contrib.auth`'s `login`, `logout` and `update_session_auth_hash`.

use super::DjangoSessionMut;
use crate::{
    auth::{DjangoUser, HASH},
    error::Error,
};

impl DjangoSessionMut {
    /// Logs a user in to this session, as Django's `login(request, user)`: the session of a stranger
    /// keeps its data and gets a new key, that of the same user stays as it is, that of another one,
    /// or of another password, is ended first. If somebody ended the stranger's session meanwhile, there
    /// is a new one, with what this request put into it alone. The CSRF secret is replaced, and `last_login` is
    /// written at once; the rest is stored with the answer, if its status is below 500.
    ///
    /// Later extractors of this request see this user. Whether the account is active is not asked,
    /// as in Django: [`authenticate`](crate::DjangoSite::authenticate) does that, and the next
    /// request does.
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
    /// Django's signal `user_logged_in` is not sent: what a site has connected to it, such as the
    /// locks of django-axes or the mails of django-allauth, does not hear of this log-in.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] if the user is gone; [`Error::ImproperlyConfigured`] if there are several
    /// `AUTHENTICATION_BACKENDS` and `authenticate` did not find this user: see
    /// [`login_with_backend`](Self::login_with_backend); [`Error::Unavailable`] when PostgreSQL does not answer or the role
    /// may not update `last_login`. Nothing is changed then.
    pub async fn login(&self, user: &DjangoUser) -> Result<(), Error> {
        self.log_in(user, None).await
    }

    /// [`login`](Self::login) with the path of the backend by which the user came in, as it stands in
    /// `AUTHENTICATION_BACKENDS`: for a user whom [`authenticate`](crate::DjangoSite::authenticate)
    /// did not find, on a site with several backends. With one that is not listed, the visitor is
    /// nobody from the next request on.
    ///
    /// # Errors
    /// As [`login`](Self::login).
    pub async fn login_with_backend(&self, user: &DjangoUser, backend: &str) -> Result<(), Error> {
        self.log_in(user, Some(backend)).await
    }

    async fn log_in(&self, user: &DjangoUser, backend: Option<&str>) -> Result<(), Error> {
        let site = self.visit.site();
        let login = site.login_of(user, backend, &self.data()).await?;
        // Django writes it last; who reads either sees both or `last_login` alone (I4).
        site.update_last_login(user).await?;
        self.session().change(|changes| login.apply(changes))?;
        self.session().set_user(site, Ok(user.clone()));
        self.visit.csrf.rotate_token();
        Ok(())
    }

    /// Logs out whoever is logged in, as Django's `logout(request)`: the session's row is deleted at
    /// once and its cookie with the answer, whatever its status. Other sessions of the user stay.
    /// What is set afterwards makes a new session of a stranger.
    ///
    /// Django's signal `user_logged_out` is not sent.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when PostgreSQL does not answer: then the visitor may still be logged
    /// in.
    pub async fn logout(&self) -> Result<(), Error> {
        self.flush();
        self.session().set_user(self.visit.site(), Err(Error::Anonymous));
        self.session().delete_flushed().await
    }

    /// Keeps a user logged in whose password was changed in this request, as Django's
    /// `update_session_auth_hash(request, user)`: the session gets a new key and the hash of the new
    /// password. All other sessions of the user end when they are next used.
    ///
    /// The handler has to have looked at its [`DjangoUser`] before the password changed:
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
    /// Where something else has changed the row, read the user again: `site.user(user.id())`. Of a user
    /// who is not that of this request, nothing but the session key changes.
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
