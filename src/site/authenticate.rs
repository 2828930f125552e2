//! `authenticate` of `django.contrib.auth`: finds the user with a username and a password.

use std::{future::Future, sync::Arc, time::SystemTime};

use tokio::time::timeout;

use super::{DjangoSite, django_site};
use crate::{
    auth::{DjangoUser, admits, hashers::Verdict, password_backends},
    error::{Error, NotLoggedIn, Unavailable},
    settings::Power,
};

/// # Passwords: login
impl DjangoSite {
    /// Sets a hook that runs after a correct password: for a user model whose `check_password` checks
    /// more. The hook gets the user, active or not, and this site. It returns the user, or `None` if
    /// Django would say that the password is wrong.
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// // class User(AbstractUser):
    /// //     def check_password(self, raw_password):
    /// //         return not self.locked and super().check_password(raw_password)
    /// site.after_check_password(|user, _site| async move {
    ///     Ok((!user.get::<bool>("locked")?).then_some(user))
    /// })
    /// # }
    /// ```
    ///
    /// If the hook returns an error, or takes longer than the
    /// [`timeout`](crate::DjangoSettings::timeout), [`authenticate`](Self::authenticate) returns an error.
    ///
    /// Default: every correct password counts.
    #[must_use]
    pub fn after_check_password<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(DjangoUser, DjangoSite) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<DjangoUser>, Error>> + Send + 'static,
    {
        let hook = move |user, site| -> django_site::HookFuture { Box::pin(hook(user, site)) };
        self.hooks_mut().after_check_password = Some(Arc::new(hook));
        self
    }

    /// Sets the function that turns a name as typed into the value of the `USERNAME_FIELD` column: for a
    /// field that normalizes names, or a manager whose `get_by_natural_key` does. `None` means that no
    /// user can have this name.
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// // class LowerField(models.CharField):
    /// //     def get_prep_value(self, value):
    /// //         return super().get_prep_value(value).lower()
    /// site.username_to_column(|typed| Ok(Some(typed.to_lowercase())))
    /// # }
    /// ```
    ///
    /// For a manager that looks up `username__iexact`, set
    /// [`UserModel::username_iexact`](crate::UserModel::username_iexact) instead.
    ///
    /// Default: the name as it is.
    #[must_use]
    pub fn username_to_column<F>(mut self, column: F) -> Self
    where
        F: Fn(&str) -> Result<Option<String>, Error> + Send + Sync + 'static,
    {
        self.hooks_mut().username_to_column = Some(Arc::new(column));
        self
    }

    /// Finds the user with this username and password, as Django's
    /// `authenticate(username=.., password=..)` does: by the `ModelBackend`s among the
    /// `AUTHENTICATION_BACKENDS`, in their order. It returns `None` if there is no such user, the password
    /// is wrong, or the account is not active; all three take the same time.
    ///
    /// - Hashing runs on a blocking thread. At most one password per processor is hashed at once; a
    ///   request that gets no turn within the [`timeout`](crate::DjangoSettings::timeout) gets a 503.
    /// - If the password is correct but its encoding has other parameters than
    ///   [`password_hashers`](crate::DjangoSettings::password_hashers) says, it is encoded again and
    ///   stored, as in Django.
    /// - Name and password are used as given. Django's login form strips the name, normalizes it to
    ///   Unicode NFKC, and refuses an empty name or password: do the same in yours.
    /// - **There is no limit on attempts**, and Django's signals `user_logged_in` and `user_login_failed`
    ///   are not sent. What a site has connected to them, such as django-axes, does not run here.
    ///
    /// ```no_run
    /// # async fn f(site: actix_django_session::DjangoSite) -> Result<(), actix_django_session::Error> {
    /// match site.authenticate("ada", "correct horse battery staple").await? {
    ///     Some(user) => println!("it is {}", user.id()),
    ///     None => println!("wrong name or password"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::Unavailable`] when PostgreSQL does not answer.
    /// - [`Error::TooManyPasswords`] when the processors are busy.
    /// - [`Error::ImproperlyConfigured`] if
    ///   [`checks_passwords`](crate::AuthenticationBackend::checks_passwords) is unknown for a backend that
    ///   Django would ask, if no backend checks passwords, if the user model has no session auth hash, if
    ///   several users have that name, or if the exported settings say that the site finds users or checks
    ///   passwords in its own way and no hook does the same.
    pub async fn authenticate(
        &self,
        username: &str,
        password: &str,
    ) -> Result<Option<DjangoUser>, Error> {
        let found = self.find_and_check(username, password).await;
        // The handler may answer an error as it likes, so the log has the reason.
        found.inspect_err(|error| self.observer().rejected(error, None))
    }

    async fn find_and_check(
        &self,
        username: &str,
        password: &str,
    ) -> Result<Option<DjangoUser>, Error> {
        let backends = password_backends(self.settings())?;
        self.require(Power::Authenticate)?;
        let mut upgrades = self.settings().upgrades_passwords() && self.can_make_passwords();
        loop {
            let Some(user) = self.find_by_username(username).await? else {
                self.spend_time_on(password).await?;
                return Ok(None);
            };
            let encoded = user.password().to_owned();
            let Verdict::Correct { must_update } = self.verify_password(password, &encoded).await?
            else {
                return Ok(None);
            };
            let Some(user) = self.call_after_check_password(user).await? else { return Ok(None) };
            // An inactive user's password is upgraded too (I11). If the row could not be changed, another
            // request has changed the password, or a policy of the table forbids it: then the password is
            // checked once more and not upgraded.
            if must_update && std::mem::take(&mut upgrades) {
                let upgraded = self.make_password(password).await?;
                if !self.replace_password(&user, &encoded, &upgraded).await? {
                    continue;
                }
                user.set_password(upgraded);
            }
            let backend = backends.into_iter().find(|backend| admits(backend, &user));
            return Ok(backend.map(|backend| user.by_backend(&backend.path)));
        }
    }

    /// Stores another password for a user: Django's `user.set_password(..)` and
    /// `user.save(update_fields=["password"])`. It returns the user with that password, for
    /// [`update_session_auth_hash`](crate::DjangoSessionMut::update_session_auth_hash). All other sessions
    /// of the user end at their next request.
    ///
    /// It checks neither the old password nor the site's `AUTH_PASSWORD_VALIDATORS`: your form has to, as
    /// in `examples/log_in.rs`. The role needs `UPDATE` on the password column.
    ///
    /// ```no_run
    /// # use actix_django_session::{DjangoSessionMut, DjangoSite, DjangoUser, Error};
    /// # async fn f(site: DjangoSite, session: DjangoSessionMut, user: DjangoUser) -> Result<(), Error> {
    /// let user = site.set_password(&user, "correct horse battery staple").await?;
    /// session.update_session_auth_hash(&user).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::NotLoggedIn`] if the user was deleted.
    /// - Those of [`make_password`](Self::make_password).
    /// - [`Error::ImproperlyConfigured`] for a user model without session auth hash: its password is not
    ///   read.
    /// - [`Error::Unavailable`] when PostgreSQL does not answer, or the role may not update the column.
    pub async fn set_password(
        &self,
        user: &DjangoUser,
        password: &str,
    ) -> Result<DjangoUser, Error> {
        if self.settings().user_model.session_auth_hash.is_none() {
            let reason = "`set_password` needs a user model with a session auth hash: set \
                          `UserModel::session_auth_hash`";
            return Err(Error::ImproperlyConfigured(reason.into()));
        }
        let encoded = self.make_password(password).await?;
        let mut tried = None;
        loop {
            let wait = self.database().read_budget().wait();
            let row = self.database().user_row(user.key(), wait.deadline()).await?;
            let row = row.ok_or(NotLoggedIn::NoSuchUser)?;
            let found = self.user_in(row, None, user.key().clone(), &wait);
            // Another request changed the password first: then try again, because the last one counts.
            // If the password is unchanged, something in the database prevents the update.
            if tried.as_deref() == Some(found.password()) {
                return Err(Unavailable::NotWritten.into());
            }
            drop(wait);
            if self.replace_password(&found, found.password(), &encoded).await? {
                found.set_password(encoded);
                return Ok(found);
            }
            tried = Some(found.password().to_owned());
        }
    }

    /// Writes the current time into the `last_login` column of the user's row, as `update_last_login` of
    /// `django.contrib.auth.models` does after each login.
    /// [`DjangoSessionMut::login`](crate::DjangoSessionMut::login) does this by itself.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] if the user was deleted; [`Error::Unavailable`] when PostgreSQL does not
    /// answer, or the role may not update the column.
    pub async fn update_last_login(&self, user: &DjangoUser) -> Result<(), Error> {
        let (wait, now) = (self.database().write_budget().wait(), SystemTime::now());
        let is_there = self.database().update_last_login(user.key(), now, wait.deadline()).await?;
        if is_there { Ok(()) } else { Err(NotLoggedIn::NoSuchUser.into()) }
    }

    async fn call_after_check_password(
        &self,
        user: DjangoUser,
    ) -> Result<Option<DjangoUser>, Error> {
        let Some(hook) = &self.hooks().after_check_password else { return Ok(Some(user)) };
        let limit = self.settings().timeout;
        let result = timeout(limit, hook(user, self.clone())).await;
        result.map_err(|_| Unavailable::Timeout(limit))?
    }

    async fn replace_password(
        &self,
        user: &DjangoUser,
        old: &str,
        new: &str,
    ) -> Result<bool, Error> {
        let wait = self.database().write_budget().wait();
        self.database().replace_password(user.key(), old, new, wait.deadline()).await
    }
}
