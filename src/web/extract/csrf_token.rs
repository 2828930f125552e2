//! `CsrfToken` in the arguments of a handler.

use std::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{csrf::form::FIELD, web::request::Visit};

/// The CSRF token for a page with forms: Django's `get_token()` and `{% csrf_token %}`.
///
/// Put it into the form, or send it back in the header `X-CSRFToken`. Each token is masked differently, and
/// Django and this crate accept all of them. The response sets the cookie with the CSRF secret.
///
/// ```
/// use actix_django_session::CsrfToken;
/// use actix_web::{HttpResponse, http::header::ContentType};
///
/// async fn page(csrf_token: CsrfToken) -> HttpResponse {
///     HttpResponse::Ok().content_type(ContentType::html()).body(format!(
///         "<form method=\"post\">{}<input name=\"text\"><button>Send</button></form>",
///         csrf_token.input()
///     ))
/// }
/// ```
///
/// A streamed body may use the token later: the cookie is decided when the token is extracted. On a
/// route without a middleware the request gets a 500, and the log says what to wrap.
#[derive(Clone, PartialEq, Eq)]
#[doc(alias = "csrf_token")]
#[doc(alias = "get_token")]
#[doc(alias = "csrfmiddlewaretoken")]
pub struct CsrfToken(String);

impl CsrfToken {
    /// The token: 64 letters and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hidden form field with the token, as HTML: Django's `csrf_input`.
    #[doc(alias = "csrf_input")]
    pub fn input(&self) -> String {
        format!("<input type=\"hidden\" name=\"{FIELD}\" value=\"{}\">", self.0)
    }
}

impl AsRef<str> for CsrfToken {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Does not show the token.
impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

impl FromRequest for CsrfToken {
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::behind_middleware::<Self>(req).and_then(|visit| {
            visit.csrf_token().map(Self).map_err(|error| visit.reject(error, req))
        }))
    }
}
