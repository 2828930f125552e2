//! The permission classes of the REST framework: what an authenticated client can do.

use std::{fmt, sync::Arc, time::SystemTime};

use actix_web::{HttpRequest, http::Method};

use super::classes::Classes;
use crate::{auth::DjangoUser, error::Error};

pub(crate) type HasPermission = dyn Fn(&HttpRequest, Option<&DjangoUser>) -> bool + Send + Sync;

pub(crate) type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// The requirements of a view of the REST framework.
#[derive(Clone)]
pub(crate) struct Rest {
    pub(crate) classes: Classes,
    pub(crate) permission: Permission,
    /// Django permissions that the user needs, all of them.
    pub(crate) permissions: Vec<String>,
    pub(crate) tests: Vec<Arc<HasPermission>>,
    /// The methods of the view, if they are known.
    pub(crate) methods: Option<Vec<Method>>,
    /// The clock that decides when JWTs expire.
    pub(crate) clock: Arc<Clock>,
}

/// The permission classes of the framework itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    AllowAny,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
    IsAdminUser,
}

impl Rest {
    /// Checks whether the client can do this. As in the framework, permissions come before the
    /// method.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`] for an authenticated client. Otherwise the reason why the client
    /// is anonymous.
    pub(super) async fn check(
        &self,
        req: &HttpRequest,
        user: Result<&DjangoUser, &Error>,
    ) -> Result<(), Error> {
        let denied = || match user {
            // No class was tried, so there is no reason why the client is anonymous.
            _ if self.classes.list.is_empty() => Error::PermissionDenied,
            Ok(_) => Error::PermissionDenied,
            Err(error) => error.clone(),
        };
        let known = user.ok();
        let admits = match self.permission {
            Permission::AllowAny => true,
            Permission::IsAuthenticated => known.is_some(),
            Permission::IsAuthenticatedOrReadOnly => known.is_some() || is_safe(req.method()),
            Permission::IsAdminUser => known.is_some_and(DjangoUser::is_staff),
        };
        if !admits || !self.tests.iter().all(|test| test(req, known)) {
            return Err(denied());
        }
        if !self.permissions.is_empty() {
            let user = known.ok_or_else(denied)?;
            if !user.meets(&self.permissions).await? {
                return Err(Error::PermissionDenied);
            }
        }
        match self.has_method(req.method()) {
            true => Ok(()),
            false => Err(Error::MethodNotAllowed),
        }
    }

    fn has_method(&self, method: &Method) -> bool {
        let Some(methods) = &self.methods else { return true };
        let has = |name: &Method| methods.iter().any(|listed| same(listed, name));
        has(method)
            || same(method, &Method::OPTIONS)
            || same(method, &Method::HEAD) && has(&Method::GET)
    }
}

/// `SAFE_METHODS`, which do not include TRACE.
fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].iter().any(|safe| same(method, safe))
}

/// Compares methods as Django does, which writes them in capitals.
pub(super) fn same(method: &Method, other: &Method) -> bool {
    method.as_str().eq_ignore_ascii_case(other.as_str())
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest")
            .field("permission", &self.permission)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}
