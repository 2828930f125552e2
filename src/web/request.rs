//! What is known of a request, kept in its extensions.

use std::{any::type_name, cell::OnceCell, rc::Rc, sync::Arc};

use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, error::InternalError};
use tokio::{sync::Mutex, time::timeout};

use super::{
    cookie::last_cookie,
    csrf::CsrfState,
    messages::{RequestMessages, SessionPart},
    rejection::Rejection,
    writing::Writing,
};
use crate::{
    auth::{DjangoSite, DjangoUser},
    database::Patience,
    error::{Error, Unavailable},
    messages::{COOKIE_NAME, CookieChange, MessageSite, Source, Storage},
    session::DjangoSession,
    settings::{DjangoSettings, MessageStorage},
};

/// Who a visitor is, as far as it was looked up.
pub(crate) struct Found {
    pub(crate) session: Result<DjangoSession, Error>,
    /// Looked up when the first one asks.
    user: OnceCell<Result<DjangoUser, Error>>,
    /// Held while it is looked up: extractors of one handler ask at the same time.
    asking: Mutex<()>,
    /// How long this request still waits for the database.
    patience: OnceCell<Patience>,
}

impl Found {
    pub(crate) fn session(session: Result<DjangoSession, Error>) -> Rc<Self> {
        Rc::new(Self {
            session,
            user: OnceCell::new(),
            asking: Mutex::default(),
            patience: OnceCell::new(),
        })
    }

    pub(crate) fn session_and_user(
        session: Result<DjangoSession, Error>,
        user: Result<DjangoUser, Error>,
    ) -> Rc<Self> {
        Rc::new(Self {
            session,
            user: user.into(),
            asking: Mutex::default(),
            patience: OnceCell::new(),
        })
    }

    /// With what is left of the patience with which it was found.
    pub(crate) fn after(self: Rc<Self>, patience: Patience) -> Rc<Self> {
        self.patience.get_or_init(|| patience);
        self
    }

    /// The user, looked up once for all who ask: that nobody is logged in is remembered too, and is
    /// final for this request.
    pub(crate) async fn user(&self, site: &DjangoSite) -> Result<DjangoUser, Error> {
        if let Some(user) = self.known_user() {
            return user;
        }
        let limit = site.settings().lookup_timeout;
        let turn = timeout(limit, self.asking.lock()).await;
        let _turn = turn.map_err(|_| Unavailable::Timeout(limit))?;
        if let Some(user) = self.known_user() {
            return user;
        }
        let patience = self.patience.get_or_init(|| site.database().patience());
        let session = self.session.as_ref().map_err(Clone::clone)?;
        match site.get_user_within(session, patience).await {
            Err(error) if !error.is_rejection() => Err(error),
            user => self.user.get_or_init(|| user).clone(),
        }
    }

    /// The user, if that is known without asking the database.
    pub(crate) fn known_user(&self) -> Option<Result<DjangoUser, Error>> {
        self.user.get().cloned()
    }
}

/// What a middleware lends to the extractors behind it.
pub(crate) struct Context {
    /// What the middleware is called in logs and counters.
    pub(crate) name: String,
    pub(crate) site: DjangoSite,
    pub(crate) rejection: Rejection,
}

impl Context {
    /// The answer of the middleware to a request that it, or an extractor, turns away; that is counted.
    pub(crate) fn respond(&self, error: &Error, req: &HttpRequest) -> HttpResponse {
        self.site.observer().turned_away(error, Some(&self.name));
        self.respond_again(error, req)
    }

    /// The same answer, for whoever asks after the request was turned away.
    fn respond_again(&self, error: &Error, req: &HttpRequest) -> HttpResponse {
        self.rejection.respond(error, req, self.site.settings())
    }
}

impl Error {
    /// What the middleware around this route answers to this error by itself: the redirect to the login
    /// page or, after [`unauthorized`](crate::DjangoSessionMiddleware::unauthorized), the 401; a
    /// 403, a 503 with `Retry-After`, or whatever else
    /// [`error_response`](actix_web::ResponseError::error_response) says. Without a middleware around
    /// the route it is that, too.
    ///
    /// For an [`error_handler`](crate::DjangoSessionMiddleware::error_handler) that answers only
    /// some errors in its own way, and for handlers that turn somebody away themselves:
    ///
    /// ```
    /// use actix_django_session::{DjangoUser, Error, OptionalDjangoUser};
    /// use actix_web::{HttpRequest, HttpResponse};
    ///
    /// async fn checkout(req: HttpRequest, user: OptionalDjangoUser) -> HttpResponse {
    ///     match &*user {
    ///         Some(user) => HttpResponse::Ok().body(format!("thank you, {}", user.username())),
    ///         None => Error::Anonymous.default_response(&req),
    ///     }
    /// }
    /// ```
    pub fn default_response(&self, req: &HttpRequest) -> HttpResponse {
        match Visit::of(req).and_then(|visit| visit.context) {
            Some(context) => context.rejection.answer.to(self, req, context.site.settings()),
            None => self.error_response(),
        }
    }
}

/// What the innermost middleware left in a request: for its extractors, and for what is around the middleware,
/// such as an access log.
#[derive(Clone)]
pub(crate) struct Visit {
    /// `None` when a test put the session there: then any middleware takes it as its own.
    pub(crate) context: Option<Rc<Context>>,
    pub(crate) found: Rc<Found>,
    /// What the handlers do to the session. `None` where nothing may be written.
    pub(crate) writing: Option<Rc<Writing>>,
    /// Whether the middleware has turned the request away: that is counted already.
    pub(crate) is_over: bool,
    pub(crate) csrf: Rc<CsrfState>,
    /// Made when the first one asks.
    pub(crate) messages: Rc<OnceCell<RequestMessages>>,
}

impl Visit {
    /// A visit of a test's making.
    pub(crate) fn in_test(found: Rc<Found>, csrf: Rc<CsrfState>) -> Self {
        let writing = Writing::new(None, found.session.clone(), false);
        let messages = Rc::default();
        Self { context: None, found, writing: Some(writing), csrf, messages, is_over: false }
    }

    /// The visit of this request, if it came to a middleware.
    pub(crate) fn of(req: &impl HttpMessage) -> Option<Self> {
        req.extensions().get::<Self>().cloned()
    }

    /// The visit of this request, or the error that names the fix.
    pub(crate) fn behind_gate<E>(req: &HttpRequest) -> Result<Self, actix_web::Error> {
        Self::of(req).ok_or_else(|| {
            let error = Error::MiddlewareMissing { extractor: type_name::<E>() };
            tracing::error!(error = %error.chain(), path = req.path(), "middleware missing");
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

    /// The live session if there is one. That it cannot be told is no reason to say there is none.
    pub(crate) fn optional_session(&self) -> Result<Option<DjangoSession>, Error> {
        match self.session() {
            Ok(session) => Ok(Some(session)),
            Err(reason) if reason.is_rejection() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The session, to be changed.
    pub(crate) fn writing(&self) -> Result<Rc<Writing>, Error> {
        match (&self.writing, &self.context) {
            (Some(writing), _) => writing.begin().map(|()| Rc::clone(writing)),
            (None, Some(context)) => {
                Err(context.site.require_writing().err().unwrap_or(Error::NoSessionKey))
            }
            (None, None) => Err(Error::NoSessionKey),
        }
    }

    /// `get_token` of `django.middleware.csrf`.
    pub(crate) fn csrf_token(&self) -> Result<String, Error> {
        self.csrf.get_token(self.found.session.as_ref().ok(), self.writing.as_deref())
    }

    /// `rotate_token` of `django.middleware.csrf`: at log-in.
    pub(crate) fn rotate_csrf_token(&self) -> Result<(), Error> {
        self.csrf.rotate_token(self.writing.as_deref())
    }

    /// Makes the request's messages, unless they are there: where they are kept.
    pub(crate) fn begin_messages(&self, req: &HttpRequest) -> Result<&MessageStorage, Error> {
        if self.messages.get().is_none() {
            let site = match &self.context {
                Some(context) => Arc::clone(context.site.messages()),
                None => Arc::new(MessageSite::new(&DjangoSettings::new("of a test"))?),
            };
            let cookie = last_cookie(req.headers(), COOKIE_NAME);
            self.messages.get_or_init(|| RequestMessages::new(site, cookie));
        }
        let messages = self.messages.get();
        let storage = messages.map(|messages| &messages.site.settings.storage);
        storage.ok_or(Error::NoSessionKey)
    }

    /// Does something to the request's messages.
    pub(crate) fn with_messages<T>(
        &self,
        f: impl FnOnce(&mut Storage, &Source<'_>) -> T,
    ) -> Option<T> {
        Some(self.messages.get()?.with(self.session_part(), f))
    }

    /// What becomes of the messages with the answer.
    pub(crate) fn update_messages(&self) -> CookieChange {
        let messages = self.messages.get();
        messages.map(|messages| messages.update(self.session_part())).unwrap_or_default()
    }

    fn session_part(&self) -> SessionPart<'_> {
        match &self.writing {
            Some(writing) => SessionPart::Writing(writing),
            None => SessionPart::Reading(self.found.session.as_ref().ok()),
        }
    }

    pub(crate) async fn user(&self) -> Result<DjangoUser, Error> {
        if let Some(user) = self.writing.as_ref().and_then(|writing| writing.user()) {
            return user;
        }
        let Some(context) = &self.context else {
            return self.found.known_user().unwrap_or(Err(Error::Anonymous));
        };
        let user = match &self.writing {
            Some(writing) if writing.is_touched() => {
                match (writing.session(), self.found.known_user()) {
                    (Err(error), _) => Err(error),
                    (Ok(_), Some(user)) if !writing.names_another() => user,
                    (Ok(session), _) => context.site.get_user(&session).await,
                }
            }
            _ => self.found.user(&context.site).await,
        };
        match &self.writing {
            Some(writing) => writing.found_user(&user).and(user),
            None => user,
        }
    }

    /// The answer of this request's middleware to an error, for an extractor to return.
    pub(crate) fn reject(&self, error: Error, req: &HttpRequest) -> actix_web::Error {
        match &self.context {
            Some(context) => {
                let response = match self.is_over {
                    true => context.respond_again(&error, req),
                    false => context.respond(&error, req),
                };
                InternalError::from_response(error, response).into()
            }
            None => error.into(),
        }
    }
}
