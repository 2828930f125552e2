//! What a rejected visitor gets: a redirect to the login page, a 401, or a response of your own.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header},
};

use super::redirect::LoginUrl;
use crate::{auth::SessionStore, error::Error};

/// How long a client should wait before it asks a service again whose database is away.
const RETRY_AFTER_SECONDS: &str = "1";

pub(crate) type ErrorHandler = dyn Fn(&Error, &HttpRequest) -> HttpResponse + Send + Sync;

/// How a gate answers requests that it does not let through.
#[derive(Clone)]
pub(crate) enum Rejection {
    Redirect(LoginUrl),
    Unauthorized,
    Handler(Arc<ErrorHandler>),
}

impl Rejection {
    pub(crate) fn respond(
        &self,
        error: &Error,
        req: &HttpRequest,
        store: &SessionStore,
    ) -> HttpResponse {
        store.observer().turned_away(error);
        match self {
            Self::Handler(handler) => handler(error, req),
            Self::Redirect(login_url) if error.is_rejection() => {
                match login_url.location(req, store.settings()) {
                    Some(location) => {
                        HttpResponse::Found().insert_header((header::LOCATION, location)).finish()
                    }
                    None => HttpResponse::BadRequest().finish(),
                }
            }
            _ => error.error_response(),
        }
    }
}

/// The answer of an error that nobody handles: a status and an empty body.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::PermissionDenied | Self::CsrfFailed(_) => StatusCode::FORBIDDEN,
            Self::BadForm(_) => StatusCode::BAD_REQUEST,
            Self::SessionInterrupted => StatusCode::BAD_REQUEST,
            error if error.is_passing() => StatusCode::SERVICE_UNAVAILABLE,
            error if error.is_rejection() => StatusCode::UNAUTHORIZED,
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
