//! Answers to rejected requests: a redirect to the login page, a 401, or the application's response.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header, header::HeaderValue},
};

use super::{language, redirect::LoginUrl, rest::RestAnswer, vary::vary_on};
use crate::{
    error::{Error, FormError},
    settings::{DjangoSettings, LoginUrls, is_url},
};

/// How long a client should wait if the database does not answer.
const RETRY_AFTER_SECONDS: &str = "1";

pub(crate) type ErrorHandler = dyn Fn(&Error, &HttpRequest) -> HttpResponse + Send + Sync;
pub(crate) type ChooseLoginUrl = dyn Fn(&HttpRequest) -> String + Send + Sync;

/// How a middleware answers requests that it rejects.
pub(crate) struct Rejection {
    pub(crate) answer: RejectionAnswer,
    /// The application's `error_handler`.
    pub(crate) handler: Option<Arc<ErrorHandler>>,
}

/// The answer to a visitor who could go on by logging in.
pub(crate) enum RejectionAnswer {
    Redirect(LoginUrl),
    /// A redirect to the URL in the language of the request, with the way back in the field of this name.
    RedirectByLanguage(LoginUrls, String),
    /// A redirect to the URL that a function chooses, with the way back in the field of this name.
    RedirectTo(Arc<ChooseLoginUrl>, String),
    Unauthorized,
    /// As the REST framework.
    Rest(RestAnswer),
}

impl Rejection {
    pub(crate) fn respond(
        &self,
        error: &Error,
        req: &HttpRequest,
        settings: &DjangoSettings,
    ) -> HttpResponse {
        let handled = self.handled(error, req);
        handled.unwrap_or_else(|| self.answer.to(error, req, settings))
    }

    /// What the application answers, if it does.
    pub(crate) fn handled(&self, error: &Error, req: &HttpRequest) -> Option<HttpResponse> {
        let mut response = self.handler.as_ref()?(error, req);
        // Clients and proxies should know that they may try again, whatever the page says.
        let is_passing = response.status() == StatusCode::SERVICE_UNAVAILABLE;
        if is_passing && !response.headers().contains_key(header::RETRY_AFTER) {
            let seconds = HeaderValue::from_static(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        Some(response)
    }
}

impl RejectionAnswer {
    /// The middleware's own answer, whatever the application would make of it.
    pub(crate) fn to(
        &self,
        error: &Error,
        req: &HttpRequest,
        settings: &DjangoSettings,
    ) -> HttpResponse {
        match self {
            Self::Rest(answer) => answer.to(error, req),
            _ if !error.wants_login() => error.error_response(),
            Self::Unauthorized => error.error_response(),
            Self::Redirect(login_url) => redirect(login_url, req, settings),
            Self::RedirectByLanguage(urls, field_name) => {
                let chosen = language::login_url(urls, req);
                let mut response = redirect(&LoginUrl::new(chosen.url, field_name), req, settings);
                if chosen.varies {
                    vary_on("Accept-Language", response.headers_mut());
                }
                response
            }
            Self::RedirectTo(choose, field_name) => {
                let url = choose(req);
                if is_url(&url) {
                    return redirect(&LoginUrl::new(&url, field_name), req, settings);
                }
                tracing::error!(path = req.path(), "login_url_for returned no URL");
                HttpResponse::InternalServerError().finish()
            }
        }
    }
}

fn redirect(login_url: &LoginUrl, req: &HttpRequest, settings: &DjangoSettings) -> HttpResponse {
    match login_url.location(req, settings) {
        Some(location) => {
            HttpResponse::Found().insert_header((header::LOCATION, location)).finish()
        }
        None => HttpResponse::BadRequest().finish(),
    }
}

/// The answer to an error without an `error_handler`: a status and an empty body.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::PermissionDenied | Self::TestNotPassed | Self::CsrfFailed(_) => {
                StatusCode::FORBIDDEN
            }
            Self::BadForm(FormError::ExceedsSpool) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadForm(_) => StatusCode::BAD_REQUEST,
            Self::FormTimeout(_) => StatusCode::REQUEST_TIMEOUT,
            Self::SessionInterrupted => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            error if error.is_passing() => StatusCode::SERVICE_UNAVAILABLE,
            error if error.wants_login() => StatusCode::UNAUTHORIZED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if self.is_passing() {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        response.finish()
    }
}
