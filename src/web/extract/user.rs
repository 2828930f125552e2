//! `DjangoUser` in the arguments of a handler.

use std::future::ready;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;

use crate::{auth::DjangoUser, error::Error, web::request::Visit};

type Extracted<T> = LocalBoxFuture<'static, Result<T, actix_web::Error>>;

/// Extracts the user, who is looked up and checked once a request. An anonymous visitor gets the middleware's
/// rejection.
impl FromRequest for DjangoUser {
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = Extracted<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(req, |user| user)
    }
}

/// Extracts the user who is logged in, or `None` for an anonymous visitor. If the database does not answer,
/// the request gets a 503, never `None`.
///
/// ```
/// use actix_django_session::OptionalDjangoUser;
///
/// async fn front_page(OptionalDjangoUser(user): OptionalDjangoUser) -> String {
///     match user {
///         Some(user) => format!("Hello, {}", user.username()),
///         None => "Hello".into(),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "request.user")]
#[doc(alias = "AnonymousUser")]
#[doc(alias = "is_anonymous")]
pub struct OptionalDjangoUser(pub Option<DjangoUser>);

impl FromRequest for OptionalDjangoUser {
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = Extracted<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(req, |user| match user {
            Ok(user) => Ok(Self(Some(user))),
            Err(error) if error.wants_login() => Ok(Self(None)),
            Err(error) => Err(error),
        })
    }
}

/// Extracts what becomes of the request's user.
fn extract<T: 'static>(
    req: &HttpRequest,
    of: fn(Result<DjangoUser, Error>) -> Result<T, Error>,
) -> Extracted<T> {
    let visit = match Visit::behind_middleware::<T>(req) {
        Ok(visit) => visit,
        Err(error) => return Box::pin(ready(Err(error))),
    };
    // Behind `login_required` there is nothing to wait for, and a small box will do.
    if let Some(Ok(user)) = visit.known_user() {
        return Box::pin(ready(of(Ok(user)).map_err(|error| visit.reject(error, req))));
    }
    let req = req.clone();
    Box::pin(async move { of(visit.user().await).map_err(|error| visit.reject(error, &req)) })
}
