//! The state of one request at a middleware, kept in the request's extensions.

use std::{
    any::type_name,
    borrow::Cow,
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
    auth::DjangoUser,
    error::Error,
    messages::{COOKIE_NAME, CookieChange, MessageSource, Storage},
    session::DjangoSession,
    site::DjangoSite,
};

/// What extractors need of their middleware.
pub(crate) struct Context {
    /// The middleware's name in logs and counters.
    pub(crate) name: String,
    pub(crate) site: DjangoSite,
    pub(crate) rejection: Rejection,
}

impl Context {
    /// The answer to a request that the middleware or an extractor rejects. The error is reported.
    pub(crate) fn respond(&self, error: &Error, req: &HttpRequest) -> HttpResponse {
        self.report(error);
        self.respond_again(error, req)
    }

    /// Counts and logs an error that ends a request.
    pub(crate) fn report(&self, error: &Error) {
        self.site.observer().rejected(error, Some(&self.name));
    }

    /// The same answer, for an error that was reported.
    pub(crate) fn respond_again(&self, error: &Error, req: &HttpRequest) -> HttpResponse {
        self.rejection.respond(error, req, self.site.settings())
    }
}

impl Error {
    /// Returns the answer that the middleware around this route gives to this error by default:
    ///
    /// | the error | the answer |
    /// |---|---|
    /// | [`wants_login`](Error::wants_login) | a redirect to the login page; with [`respond_401`](crate::DjangoSessionMiddleware::respond_401), a 401 |
    /// | any other, or no middleware around the route | [`error_response`](actix_web::ResponseError::error_response): a 403, a 503 with `Retry-After`, .. |
    ///
    /// Use it in an [`error_handler`](crate::DjangoSessionMiddleware::error_handler) for errors that need no
    /// answer of your own, and in a handler that rejects visitors itself:
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

/// One request at one middleware. The innermost middleware's visit is in the request's extensions: for
/// extractors, and for an access log around the middleware.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) context: Rc<Context>,
    pub(crate) session: Rc<RequestSession>,
    pub(crate) csrf: Rc<CsrfState>,
    pub(crate) answer: Rc<AnswerState>,
    /// The visit at the next middleware further out.
    pub(crate) outer: Option<Rc<Visit>>,
}

/// The state of the answer to a request, which all its middlewares share.
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
    /// Whether this error is the first to be reported; later ones are not.
    pub(crate) fn report(&self) -> bool {
        !self.is_reported.replace(true)
    }

    /// Whether the caller may send the session cookie of this name. Only the innermost middleware that sets
    /// or deletes it may: an outer one has older data.
    pub(crate) fn may_send_session_cookie(&self, name: &str) -> bool {
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

    /// This visit, and those at all middlewares further out.
    pub(crate) fn and_outer(&self) -> impl Iterator<Item = &Self> {
        successors(Some(self), |visit| visit.outer.as_deref())
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

    /// The live session, or `None`. A database that does not answer is an error, not `None`.
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
            let cookie = last_cookie(req.headers(), COOKIE_NAME).map(Cow::into_owned);
            RequestMessages::new(site, session, cookie)
        })
    }

    /// Does something to the request's messages.
    pub(crate) fn with_messages<T>(
        &self,
        f: impl FnOnce(&mut Storage, &MessageSource<'_>) -> T,
    ) -> Option<T> {
        Some(self.answer.messages.get()?.with(f))
    }

    /// What the answer does to the messages' cookie. Only a middleware on the messages' session decides.
    pub(crate) fn update_messages(&self) -> CookieChange {
        let messages = self.answer.messages.get();
        let own = messages.filter(|messages| messages.are_of(&self.session));
        own.map(RequestMessages::update).unwrap_or_default()
    }

    /// The user, if a middleware or an extractor has asked for it before.
    pub(crate) fn known_user(&self) -> Option<Result<DjangoUser, Error>> {
        self.session.known_user(self.site())
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
        // What the middleware itself rejected is already counted.
        let response = match self.answer.is_reported.get() {
            true => self.context.respond_again(&error, req),
            false => self.context.respond(&error, req),
        };
        InternalError::from_response(error, response).into()
    }
}
