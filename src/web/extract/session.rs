//! `DjangoSession` in the arguments of a handler.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{session::DjangoSession, web::request::Visit};

/// Extracts the live session. Without one, the request gets the middleware's rejection.
///
/// The session may be anonymous, and decoding its data may fail: see [`DjangoSession::data`]. On a route
/// without a middleware the request gets a 500, and the log says what to wrap.
impl FromRequest for DjangoSession {
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            Visit::behind_middleware::<Self>(req).and_then(|visit| {
                visit.session.session().map_err(|reason| visit.reject(reason, req))
            }),
        )
    }
}

/// Extracts the live session, or `None`. If the database does not answer, the request gets a 503, never
/// `None`.
///
/// Use this and not `Option<DjangoSession>`: actix turns every error of an extractor in an `Option` into
/// `None`, even a missing middleware.
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
#[doc(alias = "request.session")]
pub struct OptionalDjangoSession(pub Option<DjangoSession>);

impl FromRequest for OptionalDjangoSession {
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::behind_middleware::<Self>(req).and_then(|visit| {
            visit.optional_session().map(Self).map_err(|error| visit.reject(error, req))
        }))
    }
}
