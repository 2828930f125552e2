//! `DjangoUser` in the arguments of a handler.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;

use crate::{auth::DjangoUser, web::request::Visit};

/// Extracts the user, who is looked up and checked once a request. An anonymous visitor gets the middleware's
/// rejection.
impl FromRequest for DjangoUser {
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = Visit::behind_middleware::<Self>(req);
        let req = req.clone();
        Box::pin(async move {
            let visit = visit?;
            visit.user().await.map_err(|error| visit.reject(error, &req))
        })
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
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = Visit::behind_middleware::<Self>(req);
        let req = req.clone();
        Box::pin(async move {
            let visit = visit?;
            match visit.user().await {
                Ok(user) => Ok(Self(Some(user))),
                Err(error) if error.wants_login() => Ok(Self(None)),
                Err(error) => Err(visit.reject(error, &req)),
            }
        })
    }
}
