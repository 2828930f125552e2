//! Decides whether a middleware lets a visitor through.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::{request::Visit, request_session::RequestSession, rest::Rest};
use crate::{
    auth::DjangoUser,
    error::{Error, Unavailable},
    site::DjangoSite,
};

/// Which visitors a middleware lets through.
#[derive(Clone, Debug)]
pub(crate) enum Admits {
    /// All visitors.
    Anyone,
    /// Visitors with a live session.
    Session,
    /// Users who are logged in and meet the demands.
    User(Demands),
    /// Clients whom a view of the REST framework lets through.
    Rest(Box<Rest>),
}

/// What a user must have beyond being logged in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demands {
    pub(crate) staff: bool,
    pub(crate) permissions: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) tests: Vec<UserTest>,
}

/// A test of the application's, which a user has to pass.
#[derive(Clone)]
pub(crate) enum UserTest {
    OfUser(Arc<dyn Fn(&DjangoUser) -> bool + Send + Sync>),
    Async(Arc<AsyncTest>),
}

type AsyncTest =
    dyn Fn(DjangoUser, DjangoSite) -> BoxFuture<'static, Result<bool, Error>> + Send + Sync;

impl Admits {
    /// The default name of a middleware.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Anyone => "optional",
            Self::Session => "required",
            Self::User(_) => "login_required",
            Self::Rest(_) => "rest_framework",
        }
    }

    /// Whether the decision needs the user, and not only the session.
    pub(crate) fn user_matters(&self) -> bool {
        matches!(self, Self::User(_) | Self::Rest(_))
    }

    /// The permissions that the decision needs.
    pub(crate) fn permissions(&self) -> &[String] {
        match self {
            Self::User(demands) => &demands.permissions,
            Self::Rest(rest) => &rest.permissions,
            Self::Anyone | Self::Session => &[],
        }
    }

    /// Whether this can be decided without asking the database.
    pub(crate) fn can_decide(&self, session: &RequestSession) -> bool {
        !self.user_matters() || session.is_absent()
    }

    /// Fails with the reason if the visitor is not let through. An outer middleware may have changed the
    /// session: its current state decides.
    pub(crate) async fn check(&self, visit: &Visit) -> Result<(), Error> {
        match self {
            Self::Anyone | Self::Session => self.check_session(&visit.session),
            Self::User(demands) => demands.check(&visit.user().await?, visit).await,
            // The REST framework's own code has decided, before there was a visit.
            Self::Rest(_) => Ok(()),
        }
    }

    /// [`Admits::check`], if the session alone decides. If it is unknown whether there is a session, the
    /// visitor is not let through as anonymous.
    pub(crate) fn check_session(&self, session: &RequestSession) -> Result<(), Error> {
        match self {
            Self::Anyone => match session.loaded() {
                Err(reason) if !reason.wants_login() => Err(reason),
                _ => Ok(()),
            },
            Self::Session | Self::User(_) | Self::Rest(_) => session.session().map(drop),
        }
    }
}

impl Demands {
    async fn check(&self, user: &DjangoUser, visit: &Visit) -> Result<(), Error> {
        let lacks_staff = self.staff && !user.is_active_staff();
        if lacks_staff || !user.meets(&self.permissions).await? {
            return Err(Error::PermissionDenied);
        }
        if !self.groups.is_empty() {
            let groups = user.look_up_groups().await?;
            if !self.groups.iter().all(|group| groups.contains(group)) {
                return Err(Error::PermissionDenied);
            }
        }
        for test in &self.tests {
            if !test.passes(user, visit).await? {
                return Err(Error::TestNotPassed);
            }
        }
        Ok(())
    }
}

impl UserTest {
    async fn passes(&self, user: &DjangoUser, visit: &Visit) -> Result<bool, Error> {
        match self {
            Self::OfUser(test) => Ok(test(user)),
            Self::Async(test) => {
                // It may take as long as the database may.
                let limit = visit.site().settings().timeout;
                let test = test(user.clone(), visit.site().clone());
                let passes = Box::pin(timeout(limit, test)).await;
                passes.map_err(|_| Unavailable::Timeout(limit))?
            }
        }
    }
}

impl fmt::Debug for UserTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserTest(..)")
    }
}
