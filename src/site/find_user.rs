//! Users without a session, for clients who bring a token.

use std::fmt;

use super::DjangoSite;
use crate::{
    auth::{DjangoUser, require_reading_backend},
    error::{Error, NotLoggedIn},
    settings::Power,
};

/// # Users: by id or name
impl DjangoSite {
    /// Looks up the user with this primary key, if the account is active: for a request that something
    /// else than a session authenticates, such as a token of your own. Mirrors
    /// `ModelBackend.get_user(user_id)`.
    ///
    /// The user has columns and permissions as the user of a session has. The hook
    /// [`after_get_user`](Self::after_get_user) does not run.
    ///
    /// ```no_run
    /// # use actix_django_session::{DjangoUser, Error, DjangoSite};
    /// # async fn f(site: DjangoSite, user_id: i32) -> Result<(), Error> {
    /// let user: DjangoUser = site.user(user_id).await?;
    /// if user.has_perm("shop.add_item").await? { /* .. */ }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::NotLoggedIn`] if there is no such user, the account is not active, or no backend of the
    ///   settings reads users as `ModelBackend` does.
    /// - [`Error::ImproperlyConfigured`] if the exported settings say that the site finds users in its own
    ///   way.
    /// - [`Error::Unavailable`] when PostgreSQL does not answer.
    pub async fn user(&self, id: impl fmt::Display) -> Result<DjangoUser, Error> {
        require_reading_backend(&self.settings().authentication_backends)?;
        let user = self.find_by_id(&id.to_string()).await?;
        active(user)
    }

    /// Looks up the user with this username, if the account is active. The username is the value of
    /// `USERNAME_FIELD`; Django's `get_by_natural_key` finds users in the same way. In all else as
    /// [`user`](Self::user).
    ///
    /// # Errors
    /// Those of [`user`](Self::user); [`Error::ImproperlyConfigured`] if several users have that name.
    pub async fn user_by_username(&self, username: &str) -> Result<DjangoUser, Error> {
        require_reading_backend(&self.settings().authentication_backends)?;
        let user = self.find_by_username(username).await?;
        active(user)
    }

    /// The user with this id, active or not.
    async fn find_by_id(&self, id: &str) -> Result<Option<DjangoUser>, Error> {
        self.require_users()?;
        let budget = self.database().read_budget();
        let wait = budget.wait();
        let primary_key = self.database().primary_key(wait.deadline()).await?;
        let Some(key) = primary_key.parse_text(id) else { return Ok(None) };
        let row = self.database().user_row(&key, wait.deadline()).await?;
        Ok(row.map(|row| self.user_in(row, None, key, &wait)))
    }

    /// The user with this username, active or not.
    pub(super) async fn find_by_username(
        &self,
        username: &str,
    ) -> Result<Option<DjangoUser>, Error> {
        self.require(Power::FindUser)?;
        self.require_users()?;
        let column = match &self.hooks().username_to_column {
            Some(column_of) => column_of(username)?,
            None => Some(username.to_owned()),
        };
        let Some(username) = column else { return Ok(None) };
        let budget = self.database().read_budget();
        let wait = budget.wait();
        let found = self.database().user_row_by_username(&username, wait.deadline()).await?;
        Ok(found.map(|(key, row)| self.user_in(row, None, key, &wait)))
    }
}

fn active(user: Option<DjangoUser>) -> Result<DjangoUser, Error> {
    match user {
        None => Err(NotLoggedIn::NoSuchUser.into()),
        Some(user) if !user.is_active() => Err(NotLoggedIn::Inactive.into()),
        Some(user) => Ok(user),
    }
}
