//! `RestAuth`, the extractor: with which scheme a client authenticated.

use std::{
    any::type_name,
    borrow::Cow,
    fmt,
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    error::{DecodeError, Error},
    rest::Claims,
};

/// The scheme with which a client authenticated behind
/// [`DjangoSessionMiddleware::rest_framework`](crate::DjangoSessionMiddleware::rest_framework), and
/// the claims of its token: the framework's `request.successful_authenticator` and `request.auth`.
///
/// ```
/// use actix_django_session::{DjangoUser, Error, RestAuth, RestScheme};
///
/// async fn orders(user: DjangoUser, auth: RestAuth) -> Result<String, Error> {
///     // Only for tokens of this shop's app.
///     if auth.scheme() == Some(RestScheme::Jwt) && auth.claim::<String>("app")?.is_none() {
///         return Err(Error::PermissionDenied);
///     }
///     Ok(format!("the orders of {}", user.username()))
/// }
/// ```
#[derive(Clone, Default)]
pub struct RestAuth {
    scheme: Option<RestScheme>,
    claims: Option<Arc<Claims>>,
}

/// The kinds of authentication classes of the REST framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestScheme {
    /// `SessionAuthentication`.
    Session,
    /// `BasicAuthentication`.
    Basic,
    /// `TokenAuthentication`.
    Token,
    /// `JWTAuthentication`.
    Jwt,
    /// A custom class: see [`authenticator`](crate::DjangoSessionMiddleware::authenticator).
    Other,
}

impl RestScheme {
    /// Returns the name of the scheme: `session`, `basic`, `token`, `jwt` or `other`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Basic => "basic",
            Self::Token => "token",
            Self::Jwt => "jwt",
            Self::Other => "other",
        }
    }
}

impl RestAuth {
    pub(super) fn by(scheme: RestScheme) -> Self {
        Self { scheme: Some(scheme), claims: None }
    }

    pub(super) fn by_jwt(claims: Arc<Claims>) -> Self {
        Self { scheme: Some(RestScheme::Jwt), claims: Some(claims) }
    }

    /// Returns the scheme. `None` if the client sent no credentials and the middleware lets such
    /// clients in.
    pub fn scheme(&self) -> Option<RestScheme> {
        self.scheme
    }

    /// Returns a claim of the JWT. `None` if there is no such claim or no JWT.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the claim cannot be deserialised as `T`.
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        match &self.claims {
            Some(claims) => Ok(claims.get(name)?),
            None => Ok(None),
        }
    }

    /// Returns all claims of the JWT. `None` if there is no JWT.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if `serde_json` cannot hold a claim, such as `NaN`.
    pub fn claims(&self) -> Result<Option<Map<String, Value>>, Error> {
        let Some(claims) = &self.claims else { return Ok(None) };
        let claim = |(name, json): (Cow<'_, str>, &str)| {
            let value = serde_json::from_str(json).map_err(|_| DecodeError::Value)?;
            Ok((name.into_owned(), value))
        };
        claims.iter().map(claim).collect::<Result<_, Error>>().map(Some)
    }
}

/// Without the claims.
impl fmt::Debug for RestAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestAuth").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Extracts how the client authenticated. Without a middleware made by `rest_framework` around the
/// route, the response is a 500.
impl FromRequest for RestAuth {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = req.extensions().get::<Self>().cloned();
        ready(found.ok_or_else(|| {
            let error = Error::MiddlewareMissing { extractor: type_name::<Self>() };
            tracing::error!(error = %error.chain(), path = req.path(), "middleware missing");
            error.into()
        }))
    }
}
