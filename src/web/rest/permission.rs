//! Who may, once it is known who asks: the permission classes of the REST framework.

use std::{fmt, sync::Arc, time::SystemTime};

use actix_web::{HttpRequest, http::Method};

use super::classes::Classes;
use crate::{auth::DjangoUser, error::Error};

pub(crate) type HasPermission = dyn Fn(&HttpRequest, Option<&DjangoUser>) -> bool + Send + Sync;

pub(crate) type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// What a view of the REST framework asks for.
#[derive(Clone)]
pub(crate) struct Rest {
    pub(crate) classes: Classes,
    pub(crate) permission: Permission,
    /// Permissions of Django that the user has to have, all of them.
    pub(crate) permissions: Vec<String>,
    pub(crate) tests: Vec<Arc<HasPermission>>,
    /// The methods of the view, if they are known.
    pub(crate) methods: Option<Vec<Method>>,
    /// By which JWTs end.
    pub(crate) clock: Arc<Clock>,
}

/// The permission classes that are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    AllowAny,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
    IsAdminUser,
}

impl Rest {
    /// Whether the client may. In the framework's order: permissions, then the method.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`] for a client who is known; for another one the reason why it is not.
    pub(super) async fn check(
        &self,
        req: &HttpRequest,
        user: Result<&DjangoUser, &Error>,
    ) -> Result<(), Error> {
        let denied = || match user {
            // Nobody was asked who it is, so nobody is to say it.
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

/// `SAFE_METHODS`, which TRACE is none of.
fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].iter().any(|safe| same(method, safe))
}

/// Django spells a method in capitals first.
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
