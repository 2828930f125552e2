//! What a gate found out about a request, kept in the request's extensions.

use std::rc::Rc;

use actix_web::{HttpMessage, HttpRequest, error::InternalError};

use super::middleware::Gate;
use crate::{error::Error, session::DjangoSession};

/// Why a request has no session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoSession {
    NoKey,
    NotFound,
    Expired,
}

impl From<NoSession> for Error {
    fn from(reason: NoSession) -> Self {
        match reason {
            NoSession::NoKey => Self::NoSessionKey,
            NoSession::NotFound => Self::SessionNotFound,
            NoSession::Expired => Self::SessionExpired,
        }
    }
}

/// The session of a request, and the gate that looked it up.
#[derive(Clone)]
pub(crate) struct Visit {
    /// `None` when a test put the session there: then any gate takes it as its own.
    pub(crate) gate: Option<Rc<Gate>>,
    pub(crate) session: Result<DjangoSession, NoSession>,
}

impl Visit {
    /// The visit of this request, if it passed a gate.
    pub(crate) fn of(req: &impl HttpMessage) -> Option<Self> {
        req.extensions().get::<Self>().cloned()
    }

    pub(crate) fn attach(self, req: &impl HttpMessage) {
        req.extensions_mut().insert(self);
    }

    /// The answer of this request's gate to an error, for an extractor to return.
    pub(crate) fn reject(&self, error: Error, req: &HttpRequest) -> actix_web::Error {
        match &self.gate {
            Some(gate) => {
                let response = gate.respond(&error, req);
                InternalError::from_response(error, response).into()
            }
            None => error.into(),
        }
    }
}
