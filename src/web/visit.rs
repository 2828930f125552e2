//! What a gate found out about a request, kept in the request's extensions.

use std::rc::Rc;

use actix_web::{HttpMessage, HttpRequest, error::InternalError};
use tokio::sync::OnceCell;

use super::middleware::Gate;
use crate::{auth::DjangoUser, error::Error, session::DjangoSession, store::SessionStore};

/// Who a visitor is, as far as it was looked up.
pub(crate) struct Found {
    pub(crate) session: Result<DjangoSession, Error>,
    /// Looked up when the first one asks.
    user: OnceCell<Result<DjangoUser, Error>>,
}

impl Found {
    pub(crate) fn session(session: Result<DjangoSession, Error>) -> Rc<Self> {
        Rc::new(Self { session, user: OnceCell::new() })
    }

    pub(crate) fn session_and_user(
        session: Result<DjangoSession, Error>,
        user: Result<DjangoUser, Error>,
    ) -> Rc<Self> {
        Rc::new(Self { session, user: OnceCell::new_with(Some(user)) })
    }

    /// The user, in one query for all who ask; a rejection is remembered too.
    pub(crate) async fn user(&self, store: &SessionStore) -> Result<DjangoUser, Error> {
        let look_up = || async {
            match store.get_user(self.session.as_ref().map_err(Clone::clone)?).await {
                Err(error) if !error.is_rejection() => Err(error),
                user => Ok(user),
            }
        };
        self.user.get_or_try_init(look_up).await?.clone()
    }

    /// The user, if that is known without asking the database.
    pub(crate) fn known_user(&self) -> Option<Result<DjangoUser, Error>> {
        self.user.get().cloned()
    }
}

/// What the innermost gate left in a request for its extractors.
#[derive(Clone)]
pub(crate) struct Visit {
    /// `None` when a test put the session there: then any gate takes it as its own.
    pub(crate) gate: Option<Rc<Gate>>,
    pub(crate) found: Rc<Found>,
}

impl Visit {
    /// The visit of this request, if it passed a gate.
    pub(crate) fn of(req: &impl HttpMessage) -> Option<Self> {
        req.extensions().get::<Self>().cloned()
    }

    pub(crate) fn attach(self, req: &impl HttpMessage) {
        req.extensions_mut().insert(self);
    }

    pub(crate) async fn user(&self) -> Result<DjangoUser, Error> {
        match &self.gate {
            Some(gate) => self.found.user(&gate.store).await,
            None => self.found.known_user().unwrap_or(Err(Error::Anonymous)),
        }
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
