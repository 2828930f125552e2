//! `authenticate` of `django.contrib.auth`: whom a user name and a password stand for.

use std::{future::Future, sync::Arc, time::SystemTime};

use tokio::time::timeout;

use super::{DjangoSite, DjangoUser, hashers::Verdict, site};
use crate::{
    error::{Error, NotLoggedIn, Unavailable},
    settings::{AuthenticationBackend, Power},
};

impl DjangoSite {
    /// Has the last word on a password that was right: for a user model whose `check_password` asks
    /// for more. It is given the user, active or not, and this site, and answers with that user, or
    /// with `None` if Django would say that the password is wrong.
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
    /// An error of it is an error of [`authenticate`](Self::authenticate), and so is one that takes
    /// longer than the [`timeout`](crate::DjangoSettings::timeout).
    ///
    /// Defaults to every right password.
    #[must_use]
    pub fn after_check_password<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(DjangoUser, DjangoSite) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<DjangoUser>, Error>> + Send + 'static,
    {
        let hook = move |user, site| -> site::HookFuture { Box::pin(hook(user, site)) };
        self.hooks_mut().after_check_password = Some(Arc::new(hook));
        self
    }

    /// What stands in the column of `USERNAME_FIELD` for a name that was typed: for a field that
    /// brings names into a form of its own, or a manager whose `get_by_natural_key` does. `None` for
    /// a name that no user can have.
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
    /// For a manager that asks for `username__iexact`, see
    /// [`UserModel::username_iexact`](crate::UserModel::username_iexact).
    ///
    /// Defaults to the name as it is.
    #[must_use]
    pub fn username_to_column<F>(mut self, column: F) -> Self
    where
        F: Fn(&str) -> Result<Option<String>, Error> + Send + Sync + 'static,
    {
        self.hooks_mut().username_to_column = Some(Arc::new(column));
        self
    }

    /// The user with this name and this password, as Django's
    /// `authenticate(username=.., password=..)` finds and checks it: by the `ModelBackend`s among
    /// the `AUTHENTICATION_BACKENDS`, in their order. `None` if there is no such user, the password
    /// is wrong or the account is not active; all three take the same time.
    ///
    /// Hashing runs on a thread that may block, and no more passwords are hashed at once than there
    /// are processors; who does not get a turn within the
    /// [`timeout`](crate::DjangoSettings::timeout) gets a 503. A password that is right
    /// and encoded with other parameters than the settings name in
    /// [`password_hashers`](crate::DjangoSettings::password_hashers) is encoded anew, as in Django.
    ///
    /// Name and password are taken as they are: Django's form strips the name and brings it into
    /// Unicode form NFKC, and refuses empty ones. The signals `user_logged_in` and
    /// `user_login_failed` are Django's own: what a site has connected to them does not run here.
    /// Trying passwords without end is not prevented.
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
    /// [`Error::Unavailable`] when PostgreSQL does not answer, [`Error::TooManyPasswords`] when the
    /// processors are busy; [`Error::ImproperlyConfigured`] if it is not known what a backend
    /// does that Django would ask first, if none checks passwords, if the user model is one
    /// without session auth hash, if several users have that name, or if the exported settings say
    /// that the site finds users or checks passwords in a way that no hook does here.
    pub async fn authenticate(
        &self,
        username: &str,
        password: &str,
    ) -> Result<Option<DjangoUser>, Error> {
        let found = self.find_and_check(username, password).await;
        // Whatever the handler makes of it, the log says why.
        found.inspect_err(|error| self.observer().turned_away(error, None))
    }

    async fn find_and_check(
        &self,
        username: &str,
        password: &str,
    ) -> Result<Option<DjangoUser>, Error> {
        let backends = self.password_backends()?;
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
            let Some(user) = self.after_password(user).await? else { return Ok(None) };
            // An inactive user's password is upgraded too (I11). If it cannot be, somebody else has
            // changed it: then it is looked at again, and left alone. Or a policy of the table
            // forbids it.
            if must_update && std::mem::take(&mut upgrades) {
                let anew = self.make_password(password).await?;
                if !self.replace_password(&user, &encoded, &anew).await? {
                    continue;
                }
                user.set_password(anew);
            }
            let admits =
                |backend: &&&AuthenticationBackend| user.is_active() || backend.admits_inactive;
            return Ok(backends.iter().find(admits).map(|backend| user.by_backend(&backend.path)));
        }
    }

    /// Gives a user another password: Django's `user.set_password(..)` and `user.save()`, of the password
    /// alone. What it returns is the user with that password, for
    /// [`update_session_auth_hash`](crate::DjangoSessionMut::update_session_auth_hash): all other sessions
    /// of the user end when they are next used.
    ///
    /// The old password is not asked for, and the site's `AUTH_PASSWORD_VALIDATORS` are Django's own: a
    /// form does both first, as in `examples/log_in.rs`. The role needs the right to update that column.
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
    /// [`Error::NotLoggedIn`] if the user is gone; those of [`make_password`](Self::make_password);
    /// [`Error::ImproperlyConfigured`] for a user model without session auth hash, whose password is not
    /// read; [`Error::Unavailable`] when PostgreSQL does not answer, or the role may not update the
    /// column.
    pub async fn set_password(
        &self,
        user: &DjangoUser,
        password: &str,
    ) -> Result<DjangoUser, Error> {
        if self.settings().user_model.session_auth_hash.is_none() {
            let reason = "set_password reads no password without a session auth hash";
            return Err(Error::ImproperlyConfigured(reason.into()));
        }
        let encoded = self.make_password(password).await?;
        let mut tried = None;
        loop {
            let wait = self.database().read_budget().wait();
            let row = self.database().user_row(user.key(), wait.deadline()).await?;
            let row = row.ok_or(NotLoggedIn::NoSuchUser)?;
            // Somebody else was faster, and the last one counts. Or nothing lets the row be changed.
            if tried.is_some() && tried == row.password {
                return Err(Unavailable::NotWritten.into());
            }
            let found = self.user_in(row, None, user.key().clone(), &wait);
            drop(wait);
            if self.replace_password(&found, found.password(), &encoded).await? {
                found.set_password(encoded);
                return Ok(found);
            }
            tried = Some(found.password().to_owned());
        }
    }

    /// Writes into the user's row that a log-in is happening now, as `update_last_login` of
    /// `django.contrib.auth.models` does after every log-in.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] if the user is gone; [`Error::Unavailable`] when PostgreSQL does not
    /// answer, or the role may not update that column.
    pub async fn update_last_login(&self, user: &DjangoUser) -> Result<(), Error> {
        let (wait, now) = (self.database().write_budget().wait(), SystemTime::now());
        let is_there = self.database().update_last_login(user.key(), now, wait.deadline()).await?;
        if is_there { Ok(()) } else { Err(NotLoggedIn::NoSuchUser.into()) }
    }

    async fn after_password(&self, user: DjangoUser) -> Result<Option<DjangoUser>, Error> {
        let Some(hook) = &self.hooks().after_check_password else { return Ok(Some(user)) };
        let limit = self.settings().timeout;
        let verdict = timeout(limit, hook(user, self.clone())).await;
        verdict.map_err(|_| Unavailable::Timeout(limit))?
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

    /// The backends that check passwords as `ModelBackend` does: one look serves them all.
    fn password_backends(&self) -> Result<Vec<&AuthenticationBackend>, Error> {
        let improper = |reason: String| Err(Error::ImproperlyConfigured(reason));
        let settings = self.settings();
        if settings.user_model.session_auth_hash.is_none() {
            return improper("authenticate reads no password without a session auth hash".into());
        }
        let backends = settings.authentication_backends.iter();
        let unknown = backends.clone().find(|backend| backend.checks_passwords != Some(false));
        if let Some(AuthenticationBackend { path, checks_passwords: None, .. }) = unknown {
            return improper(format!(
                "AUTHENTICATION_BACKENDS: Django asks {path} first, which may refuse or know other \
                 ways in: say with AuthenticationBackend::checks_passwords what it does"
            ));
        }
        let checking: Vec<_> =
            backends.filter(|backend| backend.checks_passwords == Some(true)).collect();
        if checking.is_empty() {
            return improper("none of the AUTHENTICATION_BACKENDS checks passwords here".into());
        }
        Ok(checking)
    }
}
