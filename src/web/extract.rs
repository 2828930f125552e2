//! What a handler asks for in its arguments.

use std::{
    any::type_name,
    fmt,
    future::{Ready, ready},
    ops::Deref,
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;

use super::visit::Visit;
use crate::{
    auth::DjangoUser,
    error::{Chain, Error},
    session::DjangoSession,
};

/// Extracts the live session; without one, the request gets the gate's rejection.
///
/// The session may be anonymous, and its data may turn out to be unreadable: see
/// [`DjangoSession::data`]. On a route without a gate the answer is a 500, and the log says what to
/// wrap.
impl FromRequest for DjangoSession {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(visit::<Self>(req).and_then(|visit| session(&visit, req)))
    }
}

/// The session if there is one.
///
/// Prefer this to `Option<DjangoSession>`: actix turns every error of an extractor in an `Option`
/// into `None`, a missing gate included.
///
/// ```
/// use actix_django_session::OptionalDjangoSession;
///
/// async fn front_page(OptionalDjangoSession(session): OptionalDjangoSession) -> String {
///     match session {
///         Some(session) => format!("welcome back, {:?}", session.user_id()),
///         None => "welcome".into(),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OptionalDjangoSession(pub Option<DjangoSession>);

impl Deref for OptionalDjangoSession {
    type Target = Option<DjangoSession>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for OptionalDjangoSession {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(visit::<Self>(req).map(|visit| Self(visit.found.session.clone().ok())))
    }
}

/// The id of the user whom the session names, parsed as a `T` of yours: `i64`, `Uuid`, `String`.
///
/// Nobody logged in, or session data that cannot be read: the gate's rejection. An id that is no
/// `T` is a mistake in the handler: 500.
///
/// This is what the session says. It does not check what Django checks on top of that: whether the
/// user still exists, is active, still has the password of back then, and came in by a backend
/// that is still listed. [`DjangoUser`] does, and so does a gate made by
/// [`login_required`](crate::DjangoSessionMiddleware::login_required).
///
/// ```
/// use actix_django_session::DjangoUserId;
///
/// async fn dashboard(DjangoUserId(id): DjangoUserId<i64>) -> String {
///     format!("user {id}")
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DjangoUserId<T = String>(pub T);

impl<T> Deref for DjangoUserId<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Display> fmt::Display for DjangoUserId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: FromStr + 'static> FromRequest for DjangoUserId<T> {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(visit::<Self>(req).and_then(|visit| {
            let session = session(&visit, req)?;
            user_id(&session).map_err(|error| visit.reject(error, req))
        }))
    }
}

fn user_id<T: FromStr>(session: &DjangoSession) -> Result<DjangoUserId<T>, Error> {
    let id = session.user_id()?.ok_or(Error::Anonymous)?;
    let id = id.parse().map_err(|_| Error::UserIdType { expected: type_name::<T>() })?;
    Ok(DjangoUserId(id))
}

fn session(visit: &Visit, req: &HttpRequest) -> Result<DjangoSession, actix_web::Error> {
    visit.found.session.clone().map_err(|reason| visit.reject(reason, req))
}

/// Extracts the user, looked up and checked once a request; nobody logged in gets the gate's
/// rejection.
impl FromRequest for DjangoUser {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = visit::<Self>(req);
        let req = req.clone();
        Box::pin(async move {
            let visit = visit?;
            visit.user().await.map_err(|error| visit.reject(error, &req))
        })
    }
}

/// The user if one is logged in. `None` means nobody is, never that the database is away: that is
/// a 503.
#[derive(Clone, Debug)]
pub struct OptionalDjangoUser(pub Option<DjangoUser>);

impl Deref for OptionalDjangoUser {
    type Target = Option<DjangoUser>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for OptionalDjangoUser {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = visit::<Self>(req);
        let req = req.clone();
        Box::pin(async move {
            let visit = visit?;
            match visit.user().await {
                Ok(user) => Ok(Self(Some(user))),
                Err(error) if error.is_rejection() => Ok(Self(None)),
                Err(error) => Err(visit.reject(error, &req)),
            }
        })
    }
}

/// What the gate left, or the error that names the fix.
fn visit<E>(req: &HttpRequest) -> Result<Visit, actix_web::Error> {
    Visit::of(req).ok_or_else(|| {
        let error = Error::GateMissing { extractor: type_name::<E>() };
        tracing::error!(error = %Chain(&error), path = req.path(), "gate missing");
        error.into()
    })
}
