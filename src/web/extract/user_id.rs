//! `DjangoUserId` in the arguments of a handler.

use std::{
    any::type_name,
    fmt,
    future::{Ready, ready},
    ops::Deref,
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{error::Error, session::DjangoSession, web::request::Visit};

/// The id of the user whom the session names, parsed as a `T` of yours: `i64`, `Uuid`, `String`.
///
/// Nobody logged in, or session data that cannot be read: the middleware's rejection. An id that is no
/// `T` is a mistake in the handler: 500.
///
/// This is what the session says. It does not check what Django checks on top of that: whether the
/// user still exists, is active, still has the password of back then, and came in by a backend
/// that is still listed. [`DjangoUser`](crate::DjangoUser) does, and so does a middleware made by
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
#[doc(alias = "request.user.pk")]
#[doc(alias = "_auth_user_id")]
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
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::behind_middleware::<Self>(req).and_then(|visit| {
            let id = match (visit.session.session(), visit.session.known_user(visit.site())) {
                // No session, and a user: whoever came in by a token of the REST framework.
                (Err(_), Some(Ok(user))) => parsed(user.id()),
                (session, _) => session.and_then(|session| user_id(&session)),
            };
            id.map_err(|error| visit.reject(error, req))
        }))
    }
}

fn user_id<T: FromStr>(session: &DjangoSession) -> Result<DjangoUserId<T>, Error> {
    parsed(&session.user_id()?.ok_or(Error::Anonymous)?)
}

fn parsed<T: FromStr>(id: &str) -> Result<DjangoUserId<T>, Error> {
    let id = id.parse().map_err(|_| Error::UserIdType { expected: type_name::<T>() })?;
    Ok(DjangoUserId(id))
}
