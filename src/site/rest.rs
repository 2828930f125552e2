//! The user of a credential of the REST framework: password, token, JWT.

use tokio::time::Instant;

use super::{DjangoSite, django_site::AfterGetUser};
use crate::{
    auth::DjangoUser,
    database::{Budget, PrimaryKeyValue, Readable},
    error::{AuthenticationFailed, DecodeError, Error},
    observe::Event,
    report::CheckReport,
    rest::{Claims, Credentials, Jwt},
    session::{SessionData, SessionKey, USER_ID},
    settings::{AuthenticationClass, Power, TokenAuthentication},
};

impl DjangoSite {
    /// Checks the authentication classes of the REST framework, if a middleware uses them.
    pub(super) async fn check_rest_framework(
        &self,
        readable: Readable,
        report: &mut CheckReport,
    ) -> Result<(), Error> {
        if !self.database().uses_rest_framework() {
            return Ok(());
        }
        let settings = self.settings();
        for each in &settings.rest_framework.default_authentication_classes {
            let fault = match &each.class {
                AuthenticationClass::Jwt(jwt) => Jwt::of(jwt, settings)
                    .err()
                    .map(|fault| format!("SIMPLE_JWT: {fault}: no JWT can be checked")),
                AuthenticationClass::Token(class) if readable.users => {
                    self.database().try_tokens(class).await?.map(|fault| {
                        format!(
                            "TokenAuthentication: the table {} cannot be read: {fault}: correct \
                             `TokenAuthentication::table`, or GRANT SELECT on it",
                            class.table.quoted()
                        )
                    })
                }
                AuthenticationClass::Other(path) if !self.database().knows_authenticator(path) => {
                    report.warning(format!(
                        "DEFAULT_AUTHENTICATION_CLASSES: it is unknown what {path} does, so requests \
                         that reach it get a 500: set `DjangoSessionMiddleware::authenticator`"
                    ));
                    None
                }
                _ => None,
            };
            fault.into_iter().for_each(|fault| report.problem(fault));
        }
        Ok(())
    }

    /// `BasicAuthentication.authenticate_credentials`. It costs as much as a login, and is bounded like one.
    pub(crate) async fn user_by_password(
        &self,
        credentials: &Credentials,
    ) -> Result<DjangoUser, Error> {
        let Credentials { username, password } = credentials;
        let user = self.authenticate(username, password).await?;
        let user = user.ok_or(AuthenticationFailed::InvalidUsernamePassword)?;
        self.admit(active(user)?, "basic").await
    }

    /// `TokenAuthentication.authenticate_credentials`. Stricter than the framework: a user whom the default
    /// manager hides has no token.
    pub(crate) async fn user_by_token(
        &self,
        class: &TokenAuthentication,
        token: &str,
        budget: &Budget,
    ) -> Result<DjangoUser, Error> {
        let wait = budget.wait();
        let found = self.database().user_row_by_token(class, token, wait.deadline()).await?;
        let (key, row) = found.ok_or(AuthenticationFailed::InvalidToken)?;
        let user = self.user_in(row, None, key, &wait);
        drop(wait);
        self.admit(active(user)?, "token").await
    }

    /// `JWTAuthentication.get_user`.
    pub(crate) async fn user_by_claims(
        &self,
        jwt: &Jwt,
        claims: &Claims,
        budget: &Budget,
    ) -> Result<DjangoUser, Error> {
        let id = jwt.user_id(claims)?;
        let wait = budget.wait();
        let database = self.database();
        let found = match &jwt.settings().user_id_column {
            Some(column) => database.user_row_by_column(column, id, wait.deadline()).await?,
            None => match self.primary_key_of(id, wait.deadline()).await? {
                Some(key) => {
                    let row = database.user_row(&key, wait.deadline()).await?;
                    row.map(|row| (key, row))
                }
                None => None,
            },
        };
        let (key, row) = found.ok_or(AuthenticationFailed::UserNotFound)?;
        let user = self.user_in(row, None, key, &wait);
        drop(wait);
        jwt.check_user(claims, user.is_active(), user.password())?;
        self.admit(user, "jwt").await
    }

    /// The primary key that a claim names, parsed like that of a session.
    async fn primary_key_of(
        &self,
        json: &str,
        deadline: Instant,
    ) -> Result<Option<PrimaryKeyValue>, Error> {
        if self.hooks().parse_user_id.is_none() {
            return Ok(self.database().primary_key(deadline).await?.parse(json));
        }
        let mut data = SessionData::new();
        data.insert_json(USER_ID, json).map_err(DecodeError::from)?;
        self.primary_key_in(&data, deadline).await
    }

    /// Runs the `after_get_user` hook for a user whom no session named.
    pub(crate) async fn admit(
        &self,
        user: DjangoUser,
        scheme: &'static str,
    ) -> Result<DjangoUser, Error> {
        self.require(Power::GetUser)?;
        let user = match self.hooks().after_get_user {
            AfterGetUser::NoHook | AfterGetUser::InsideHook => user,
            AfterGetUser::Hook(_) => {
                let session = self.signed_session(SessionKey::generate(), SessionData::new())?;
                let result = self.call_after_get_user(&session, user).await;
                result.map_err(|error| match error.wants_login() {
                    true => AuthenticationFailed::Refused.into(),
                    false => error,
                })?
            }
        };
        self.observer().event(Event::UserFound { backend: scheme });
        Ok(user)
    }
}

fn active(user: DjangoUser) -> Result<DjangoUser, Error> {
    match user.is_active() {
        true => Ok(user),
        false => Err(AuthenticationFailed::UserInactiveOrDeleted.into()),
    }
}
