//! The error responses of the REST framework: its JSON renderer, in English.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        Method, StatusCode,
        header::{ALLOW, HeaderMap, HeaderValue, VARY, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;

use super::permission::Rest;
use crate::error::{AuthenticationFailed, Error, TokenMessage};

const NOT_AUTHENTICATED: &str = "Authentication credentials were not provided.";
const PERMISSION_DENIED: &str = "You do not have permission to perform this action.";

/// In the order in which a view of the framework lists them.
const METHODS: [Method; 8] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
    Method::TRACE,
];

/// The error responses of one view.
#[derive(Clone)]
pub(crate) struct RestAnswer {
    challenge: Option<HeaderValue>,
    allow: Option<HeaderValue>,
    /// The header of a JWT if it is not `Authorization`: caches do not separate responses by it.
    vary: Option<HeaderValue>,
}

#[derive(Serialize)]
struct Body<'a> {
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<&'a [TokenMessage]>,
}

impl From<String> for Body<'_> {
    fn from(detail: String) -> Self {
        Self { detail, code: None, messages: None }
    }
}

impl RestAnswer {
    pub(crate) fn of(rest: &Rest) -> Self {
        let allow = rest.methods.as_ref().and_then(|methods| allow(methods));
        let (challenge, vary) =
            (rest.classes.challenge.clone(), rest.classes.further_header.clone());
        Self { challenge, allow, vary }
    }

    /// Returns the response to this error.
    pub(crate) fn to(&self, error: &Error, req: &HttpRequest) -> HttpResponse {
        let (status, body) = match error {
            Error::PermissionDenied => (StatusCode::FORBIDDEN, PERMISSION_DENIED.to_owned().into()),
            Error::CsrfFailed(reason) => {
                (StatusCode::FORBIDDEN, format!("CSRF Failed: {reason}").into())
            }
            Error::MethodNotAllowed => {
                let method = req.method().as_str().to_ascii_uppercase();
                (error.status_code(), format!("Method \"{method}\" not allowed.").into())
            }
            Error::AuthenticationFailed(failed) => (
                self.unauthorized(),
                Body {
                    detail: failed.to_string(),
                    code: failed.code(),
                    messages: match failed {
                        AuthenticationFailed::TokenNotValid(messages) => Some(messages),
                        _ => None,
                    },
                },
            ),
            error if error.wants_login() => {
                (self.unauthorized(), NOT_AUTHENTICATED.to_owned().into())
            }
            // No answer of the framework's: a 503, a 500.
            error => return error.error_response(),
        };
        let mut response = HttpResponse::build(status);
        if status == StatusCode::UNAUTHORIZED
            && let Some(challenge) = &self.challenge
        {
            response.insert_header((WWW_AUTHENTICATE, challenge.clone()));
        }
        let mut response = response.json(body);
        self.add_headers(response.headers_mut());
        response
    }

    /// A 401 must say how to authenticate. If the first class does not say that, it is a 403.
    fn unauthorized(&self) -> StatusCode {
        match self.challenge {
            Some(_) => StatusCode::UNAUTHORIZED,
            None => StatusCode::FORBIDDEN,
        }
    }

    /// Adds the headers that every response of the view has.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        if let (Some(allow), false) = (&self.allow, headers.contains_key(ALLOW)) {
            headers.insert(ALLOW, allow.clone());
        }
        if let Some(name) = &self.vary {
            headers.append(VARY, name.clone());
        }
    }
}

/// The methods as the framework lists them: HEAD if there is GET, and OPTIONS.
fn allow(methods: &[Method]) -> Option<HeaderValue> {
    let has = |method: &Method| match *method {
        Method::OPTIONS => true,
        Method::HEAD => methods.iter().any(|listed| [Method::GET, Method::HEAD].contains(listed)),
        _ => methods.contains(method),
    };
    let names: Vec<_> = METHODS.iter().filter(|method| has(method)).map(Method::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).ok()
}
