//! `CsrfToken` in the arguments of a handler.

use std::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{csrf::form::FIELD, web::request::Visit};

/// The CSRF token for a page that sends forms: Django's `get_token()` and `{% csrf_token %}`.
///
/// Each one is masked anew, all are good, here and in Django, and the response carries the cookie
/// with the secret. Put it into the form, or send it back in the header `X-CSRFToken`:
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
/// It may be used in a body that streams later: the cookie is decided when it is extracted. On a
/// route without a middleware the answer is a 500, and the log says what to wrap.
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

    /// The hidden field of a form, as HTML.
    #[doc(alias = "csrf_input")]
    pub fn input(&self) -> String {
        format!("<input type=\"hidden\" name=\"{FIELD}\" value=\"{}\">", self.0)
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
