//! What is known of a request, kept in its extensions.

use std::{any::type_name, rc::Rc};

use actix_web::{HttpMessage, HttpRequest, HttpResponse, error::InternalError};
use tokio::sync::OnceCell;

use super::{rejection::Rejection, writing::Writing};
use crate::{
    auth::{DjangoUser, SessionStore},
    error::Error,
    session::DjangoSession,
};

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

/// What a gate lends to the extractors behind it.
pub(crate) struct Context {
    pub(crate) store: SessionStore,
    pub(crate) rejection: Rejection,
}

impl Context {
    /// The answer of the gate to a request that it, or an extractor, turns away.
    pub(crate) fn respond(&self, error: &Error, req: &HttpRequest) -> HttpResponse {
        self.rejection.respond(error, req, &self.store)
    }
}

/// What the innermost gate left in a request for its extractors.
#[derive(Clone)]
pub(crate) struct Visit {
    /// `None` when a test put the session there: then any gate takes it as its own.
    pub(crate) context: Option<Rc<Context>>,
    pub(crate) found: Rc<Found>,
    /// What the handlers do to the session. `None` where nothing may be written.
    pub(crate) writing: Option<Rc<Writing>>,
}

impl Visit {
    /// A visit of a test's making.
    pub(crate) fn in_test(found: Rc<Found>) -> Self {
        let writing = Writing::new(None, found.session.clone(), false);
        Self { context: None, found, writing: Some(writing) }
    }

    /// The visit of this request, if it passed a gate.
    pub(crate) fn of(req: &impl HttpMessage) -> Option<Self> {
        req.extensions().get::<Self>().cloned()
    }

    /// The visit of this request, or the error that names the fix.
    pub(crate) fn behind_gate<E>(req: &HttpRequest) -> Result<Self, actix_web::Error> {
        Self::of(req).ok_or_else(|| {
            let error = Error::GateMissing { extractor: type_name::<E>() };
            tracing::error!(error = %error.chain(), path = req.path(), "gate missing");
            error.into()
        })
    }

    pub(crate) fn attach(self, req: &impl HttpMessage) {
        req.extensions_mut().insert(self);
    }

    /// The live session, as the handlers have changed it.
    pub(crate) fn session(&self) -> Result<DjangoSession, Error> {
        match &self.writing {
            Some(writing) => writing.session(),
            None => self.found.session.clone(),
        }
    }

    /// The session, to be changed.
    pub(crate) fn writing(&self) -> Result<Rc<Writing>, Error> {
        match (&self.writing, &self.context) {
            (Some(writing), _) => writing.begin().map(|()| Rc::clone(writing)),
            (None, Some(context)) => {
                Err(context.store.require_writing().err().unwrap_or(Error::NoSessionKey))
            }
            (None, None) => Err(Error::NoSessionKey),
        }
    }

    pub(crate) async fn user(&self) -> Result<DjangoUser, Error> {
        if let Some(user) = self.writing.as_ref().and_then(|writing| writing.user()) {
            return user;
        }
        let Some(context) = &self.context else {
            return self.found.known_user().unwrap_or(Err(Error::Anonymous));
        };
        let user = self.found.user(&context.store).await;
        match &self.writing {
            Some(writing) => writing.found_user(&user).and(user),
            None => user,
        }
    }

    /// The answer of this request's gate to an error, for an extractor to return.
    pub(crate) fn reject(&self, error: Error, req: &HttpRequest) -> actix_web::Error {
        match &self.context {
            Some(context) => {
                let response = context.respond(&error, req);
                InternalError::from_response(error, response).into()
            }
            None => error.into(),
        }
    }
}
