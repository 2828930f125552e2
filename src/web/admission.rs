//! Whom a middleware lets through, once it is known who the visitor is.

use super::{request::Visit, request_session::RequestSession, rest::Rest};
use crate::{auth::DjangoUser, error::Error};

/// Whom a middleware lets through.
#[derive(Clone, Debug)]
pub(crate) enum Admits {
    /// Everybody.
    Anyone,
    /// Whoever has a live session.
    Session,
    /// Whoever is logged in, and meets the demands.
    User(Demands),
    /// Whom a view of the REST framework lets through.
    Rest(Box<Rest>),
}

/// What a user must have beyond being logged in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demands {
    pub(crate) staff: bool,
    pub(crate) permissions: Vec<String>,
}

impl Admits {
    /// What a middleware is called that says nothing else.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Anyone => "optional",
            Self::Session => "required",
            Self::User(_) => "login_required",
            Self::Rest(_) => "rest_framework",
        }
    }

    /// Whether this is a matter of the user, and not of the session alone.
    pub(crate) fn user_matters(&self) -> bool {
        matches!(self, Self::User(_) | Self::Rest(_))
    }

    /// The permissions that decide it.
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

    /// Says why the visitor does not come through. What is between an outer middleware and this one may
    /// have changed the session: it counts as it is by now.
    pub(crate) async fn check(&self, visit: &Visit) -> Result<(), Error> {
        match self {
            Self::Anyone | Self::Session => self.check_session(&visit.session),
            Self::User(demands) => demands.check(&visit.user().await?).await,
            // It decides for itself, before there is a visit.
            Self::Rest(_) => Ok(()),
        }
    }

    /// [`Admits::check`], where the session decides. Nobody comes through as an anonymous visitor of whom
    /// it cannot be told.
    pub(crate) fn check_session(&self, session: &RequestSession) -> Result<(), Error> {
        match self {
            Self::Anyone => match session.loaded() {
                Err(reason) if !reason.is_rejection() => Err(reason),
                _ => Ok(()),
            },
            Self::Session | Self::User(_) | Self::Rest(_) => session.session().map(drop),
        }
    }
}

impl Demands {
    async fn check(&self, user: &DjangoUser) -> Result<(), Error> {
        let lacks_staff = self.staff && !user.is_active_staff();
        if lacks_staff || !user.meets(&self.permissions).await? {
            return Err(Error::PermissionDenied);
        }
        Ok(())
    }
}
