//! `DjangoSite` in the arguments of a handler.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{site::DjangoSite, web::request::Visit};

/// Extracts the site handle of the innermost middleware around the route, with its hooks. You need no
/// `web::Data`. On a route without a middleware the request gets a 500, and the log says what to wrap.
///
/// ```
/// use actix_django_session::{DjangoSite, DjangoUser, Error};
/// use actix_web::web;
///
/// async fn profile(site: DjangoSite, id: web::Path<i64>) -> Result<String, Error> {
///     Ok(site.user(id.into_inner()).await?.username().to_owned())
/// }
/// ```
impl FromRequest for DjangoSite {
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::behind_middleware::<Self>(req).map(|visit| visit.site().clone()))
    }
}
