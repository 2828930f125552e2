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

/// The id of the user whom the session names, parsed as a type of yours: `i64`, `Uuid`, `String`.
///
/// If the session names no user, or its data cannot be decoded, the request gets the middleware's rejection.
/// If the id cannot be parsed as `T`, it gets a 500: a mistake in the handler.
///
/// **This extractor trusts the session alone.** It does not check, as Django does, that the user still exists
/// and is active, that the password is the same as at login, and that the backend is still listed.
/// [`DjangoUser`](crate::DjangoUser) checks all that, and so does a middleware of
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
                // A client with a token of the REST framework has a user and no session.
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
