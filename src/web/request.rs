//! What is known of a request, kept in its extensions.

use std::{
    any::type_name,
    cell::{Cell, OnceCell, RefCell},
    iter::successors,
    rc::Rc,
    sync::Arc,
};

use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, error::InternalError};

use super::{
    cookie_header::last_cookie, csrf_check::CsrfState, messages::RequestMessages,
    rejection::Rejection, request_session::RequestSession,
};
use crate::{
    auth::{DjangoSite, DjangoUser},
    error::Error,
    messages::{COOKIE_NAME, CookieChange, Source, Storage},
    session::DjangoSession,
};

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
        self.report(error);
        self.respond_again(error, req)
    }

    /// Counts and logs an error that ends a request.
    pub(crate) fn report(&self, error: &Error) {
        self.site.observer().turned_away(error, Some(&self.name));
    }

    /// The same answer, for an error that was reported.
    pub(crate) fn respond_again(&self, error: &Error, req: &HttpRequest) -> HttpResponse {
        self.rejection.respond(error, req, self.site.settings())
    }
}

impl Error {
    /// What the middleware around this route answers to this error by itself: the redirect to the login
    /// page or, after [`respond_401`](crate::DjangoSessionMiddleware::respond_401), the 401; a
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
    ///     match &user.0 {
    ///         Some(user) => HttpResponse::Ok().body(format!("thank you, {}", user.username())),
    ///         None => Error::Anonymous.default_response(&req),
    ///     }
    /// }
    /// ```
    pub fn default_response(&self, req: &HttpRequest) -> HttpResponse {
        match Visit::of(req) {
            Some(Visit { context, .. }) => {
                context.rejection.answer.to(self, req, context.site.settings())
            }
            None => self.error_response(),
        }
    }
}

/// What the innermost middleware left in a request: for its extractors, and for what is around the middleware,
/// such as an access log.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) context: Rc<Context>,
    pub(crate) session: Rc<RequestSession>,
    pub(crate) csrf: Rc<CsrfState>,
    pub(crate) answer: Rc<AnswerState>,
    /// What the middleware around that one left.
    pub(crate) outer: Option<Rc<Visit>>,
}

/// What is known of the answer to a request, by all middlewares on its way.
#[derive(Default)]
pub(crate) struct AnswerState {
    /// Whether an error that ends the request was counted and logged.
    is_reported: Cell<bool>,
    /// The names of the session cookies in it.
    session_cookies: RefCell<Vec<String>>,
    /// Made when the first one asks.
    messages: OnceCell<RequestMessages>,
}

impl AnswerState {
    /// Whether this error is still to be reported: once is enough.
    pub(crate) fn report(&self) -> bool {
        !self.is_reported.replace(true)
    }

    /// Whether the session cookie of this name may be sent. The innermost middleware that has something to
    /// say of it has the say: what one further out knows is older.
    pub(crate) fn takes_session_cookie(&self, name: &str) -> bool {
        let mut names = self.session_cookies.borrow_mut();
        let is_free = !names.iter().any(|taken| taken == name);
        if is_free {
            names.push(name.to_owned());
        }
        is_free
    }
}

impl Visit {
    /// The visit of this request, if it came to a middleware.
    pub(crate) fn of(req: &impl HttpMessage) -> Option<Self> {
        req.extensions().get::<Self>().cloned()
    }

    /// The visits of this request at all middlewares that it came to, the innermost first.
    pub(crate) fn all_of(req: &impl HttpMessage) -> impl Iterator<Item = Self> {
        successors(Self::of(req), |visit| visit.outer.as_deref().cloned())
    }

    /// The visit of this request, or the error that names the fix.
    pub(crate) fn behind_middleware<E>(req: &HttpRequest) -> Result<Self, actix_web::Error> {
        Self::of(req).ok_or_else(|| {
            let error = Error::MiddlewareMissing { extractor: type_name::<E>() };
            tracing::error!(error = %error.chain(), path = req.path(), "middleware missing");
            error.into()
        })
    }

    pub(crate) fn attach(self, req: &impl HttpMessage) {
        req.extensions_mut().insert(self);
    }

    /// The handle that the extractors go by.
    pub(crate) fn site(&self) -> &DjangoSite {
        &self.context.site
    }

    /// The live session if there is one. That it cannot be told is no reason to say there is none.
    pub(crate) fn optional_session(&self) -> Result<Option<DjangoSession>, Error> {
        match self.session.session() {
            Ok(session) => Ok(Some(session)),
            Err(reason) if reason.wants_login() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that the session can be changed.
    pub(crate) fn begin_changes(&self) -> Result<(), Error> {
        self.session.begin()?;
        self.site().require_writing()
    }

    /// `get_token` of `django.middleware.csrf`.
    pub(crate) fn csrf_token(&self) -> Result<String, Error> {
        self.csrf.get_token(self.session.is_kept())
    }

    /// The request's messages, made when the first one asks.
    pub(crate) fn begin_messages(&self, req: &HttpRequest) -> &RequestMessages {
        self.answer.messages.get_or_init(|| {
            let (site, session) = (Arc::clone(self.site().messages()), Rc::clone(&self.session));
            RequestMessages::new(site, session, last_cookie(req.headers(), COOKIE_NAME))
        })
    }

    /// Does something to the request's messages.
    pub(crate) fn with_messages<T>(
        &self,
        f: impl FnOnce(&mut Storage, &Source<'_>) -> T,
    ) -> Option<T> {
        Some(self.answer.messages.get()?.with(f))
    }

    /// What becomes of the messages with the answer. That is not for the middleware of another session
    /// than theirs.
    pub(crate) fn update_messages(&self) -> CookieChange {
        let messages = self.answer.messages.get();
        let own = messages.filter(|messages| messages.are_of(&self.session));
        own.map(RequestMessages::update).unwrap_or_default()
    }

    pub(crate) async fn user(&self) -> Result<DjangoUser, Error> {
        self.session.user(self.site()).await
    }

    /// An error leaves the middleware: it is counted and logged, unless one further in has done that.
    pub(crate) fn report(&self, error: &Error) {
        if self.answer.report() {
            self.context.report(error);
        }
    }

    /// The answer of this request's middleware to an error, for an extractor to return.
    pub(crate) fn reject(&self, error: Error, req: &HttpRequest) -> actix_web::Error {
        // Whom the middleware has turned away is counted already.
        let response = match self.answer.is_reported.get() {
            true => self.context.respond_again(&error, req),
            false => self.context.respond(&error, req),
        };
        InternalError::from_response(error, response).into()
    }
}
