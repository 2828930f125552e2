//! The gates: who comes through to the handlers.

use std::{
    fmt,
    future::{Ready, ready},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use futures_util::future::{Either, FutureExt, LocalBoxFuture, Map};

use super::{
    cookie,
    login::{ErrorHandler, Rejection},
    redirect::{LoginUrl, REDIRECT_FIELD_NAME},
    vary::vary_on_cookie,
    visit::{NoSession, Visit},
};
use crate::{error::Error, session::DjangoSession, settings::DjangoSettings, store::SessionStore};

/// Recognises the visitor whom Django logged in, by the session cookie and the row behind it.
///
/// Build it once, outside `HttpServer::new`, and wrap an `App`, a `Scope` or a `Resource` in a
/// clone. Extractors inside read what it found; gates nested on one route make one lookup.
///
/// ```no_run
/// use actix_django_session::{DjangoSessionMiddleware, DjangoUserId, SessionStore};
/// use actix_web::{App, HttpServer, Responder, web};
///
/// async fn dashboard(DjangoUserId(id): DjangoUserId<i64>) -> impl Responder {
///     format!("user {id}")
/// }
///
/// # async fn serve(store: SessionStore) -> std::io::Result<()> {
/// let gate = DjangoSessionMiddleware::required(store);
/// HttpServer::new(move || {
///     App::new()
///         .wrap(actix_web::middleware::Logger::default()) // added last or outside: runs first
///         .service(web::scope("/api").wrap(gate.clone()).route("/dashboard", web::get().to(dashboard)))
/// })
/// .bind("127.0.0.1:8080")?
/// .run()
/// .await
/// # }
/// ```
///
/// Every response that passed a gate carries `Vary: Cookie`. When PostgreSQL does not answer, the
/// visitor gets a 503 with `Retry-After`, never the page for strangers.
#[derive(Clone)]
#[must_use = "a gate does nothing until something is wrapped in it"]
pub struct DjangoSessionMiddleware {
    store: SessionStore,
    admits: Admits,
    login_url: Option<String>,
    redirect_field_name: String,
    unauthorized: bool,
    error_handler: Option<Arc<ErrorHandler>>,
}

/// Whom a gate lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admits {
    Anyone,
    Session,
}

impl DjangoSessionMiddleware {
    /// Lets everyone through; handlers see who it is.
    pub fn optional(store: SessionStore) -> Self {
        Self::new(store, Admits::Anyone)
    }

    /// Lets a request through that has a live session, anonymous ones included: a visitor with a
    /// shopping cart has a session and no user. The session data is not looked at.
    pub fn required(store: SessionStore) -> Self {
        Self::new(store, Admits::Session)
    }

    fn new(store: SessionStore, admits: Admits) -> Self {
        Self {
            store,
            admits,
            login_url: None,
            redirect_field_name: REDIRECT_FIELD_NAME.into(),
            unauthorized: false,
            error_handler: None,
        }
    }

    /// Where rejected visitors are sent: a path or URL.
    ///
    /// Defaults to the `login_url` of the store's settings.
    pub fn login_url(mut self, url: impl Into<String>) -> Self {
        self.login_url = Some(url.into());
        self
    }

    /// The query parameter that leads back after the login. An empty name means none.
    ///
    /// Defaults to `next`.
    pub fn redirect_field_name(mut self, name: impl Into<String>) -> Self {
        self.redirect_field_name = name.into();
        self
    }

    /// Answers rejected visitors with an empty 401 instead of a redirect: for APIs.
    pub fn unauthorized(mut self) -> Self {
        self.unauthorized = true;
        self
    }

    /// Answers every request that the gate or one of its extractors turns away: rejections, and
    /// failures such as [`Error::Unavailable`]. `error.error_response()` (from
    /// [`actix_web::ResponseError`]) is the answer without a handler, a redirect apart.
    ///
    /// ```
    /// # use actix_django_session::{DjangoSessionMiddleware, SessionStore};
    /// use actix_web::{HttpResponse, ResponseError};
    ///
    /// # fn f(store: SessionStore) -> DjangoSessionMiddleware {
    /// DjangoSessionMiddleware::required(store).error_handler(|error, _req| {
    ///     HttpResponse::build(error.status_code()).body(error.to_string())
    /// })
    /// # }
    /// ```
    pub fn error_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(&Error, &HttpRequest) -> HttpResponse + Send + Sync + 'static,
    {
        self.error_handler = Some(Arc::new(handler));
        self
    }

    fn gate(&self) -> Gate {
        let rejection = match &self.error_handler {
            Some(handler) => Rejection::Handler(Arc::clone(handler)),
            None if self.unauthorized => Rejection::Unauthorized,
            None => {
                let login_url = self.login_url.as_ref().unwrap_or(&self.store.settings().login_url);
                Rejection::Redirect(LoginUrl::new(login_url, &self.redirect_field_name))
            }
        };
        Gate { store: self.store.for_worker(), admits: self.admits, rejection }
    }
}

impl fmt::Debug for DjangoSessionMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSessionMiddleware")
            .field("store", &self.store)
            .field("admits", &self.admits)
            .finish_non_exhaustive()
    }
}

impl<S, B> Transform<S, ServiceRequest> for DjangoSessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = DjangoSessionService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(DjangoSessionService { service: Rc::new(service), gate: Rc::new(self.gate()) }))
    }
}

/// One worker's gate.
pub(crate) struct Gate {
    pub(crate) store: SessionStore,
    admits: Admits,
    rejection: Rejection,
}

impl Gate {
    /// Leaves word for the extractors, or says why the visitor does not come through.
    fn admit(
        self: &Rc<Self>,
        req: &ServiceRequest,
        session: Result<DjangoSession, NoSession>,
    ) -> Result<(), Error> {
        if let (Admits::Session, Err(reason)) = (self.admits, &session) {
            return Err((*reason).into());
        }
        Visit { gate: Some(Rc::clone(self)), session }.attach(req);
        Ok(())
    }

    /// What an outer gate of the same store, or a test, already knows.
    fn known_session(&self, req: &ServiceRequest) -> Option<Result<DjangoSession, NoSession>> {
        let visit = Visit::of(req)?;
        let same_store = visit.gate.is_none_or(|gate| gate.store.is_same(&self.store));
        same_store.then_some(visit.session)
    }

    pub(crate) fn respond(&self, error: &Error, req: &HttpRequest) -> HttpResponse {
        self.rejection.respond(error, req, self.settings())
    }

    fn settings(&self) -> &DjangoSettings {
        self.store.settings()
    }
}

/// The service that [`DjangoSessionMiddleware`] makes.
#[doc(hidden)]
pub struct DjangoSessionService<S> {
    service: Rc<S>,
    gate: Rc<Gate>,
}

impl<S> fmt::Debug for DjangoSessionService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSessionService").finish_non_exhaustive()
    }
}

type Answer<B> = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>;

impl<S, B> Service<ServiceRequest> for DjangoSessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    #[allow(clippy::type_complexity)]
    type Future = Either<
        Ready<Answer<B>>,
        Either<
            Map<S::Future, fn(Result<ServiceResponse<B>, actix_web::Error>) -> Answer<B>>,
            LocalBoxFuture<'static, Answer<B>>,
        >,
    >;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let gate = &self.gate;
        let session = match gate.known_session(&req) {
            Some(session) => session,
            None => {
                match cookie::session_key(req.headers(), &gate.settings().session_cookie_name) {
                    None => Err(NoSession::NoKey),
                    Some(key) => {
                        let (gate, service) = (Rc::clone(gate), Rc::clone(&self.service));
                        let answer = async move {
                            let admitted = match gate.store.load(&key).await {
                                Ok(session) => gate.admit(&req, Ok(session)),
                                Err(Error::SessionNotFound) => {
                                    gate.admit(&req, Err(NoSession::NotFound))
                                }
                                Err(Error::SessionExpired) => {
                                    gate.admit(&req, Err(NoSession::Expired))
                                }
                                Err(error) => Err(error),
                            };
                            match admitted {
                                Ok(()) => admitted_answer(service.call(req).await),
                                Err(error) => Ok(turned_away(&gate, &error, req)),
                            }
                        };
                        return Either::Right(Either::Right(answer.boxed_local()));
                    }
                }
            }
        };
        // Nobody to look up: no query, and no future in a box.
        match gate.admit(&req, session) {
            Ok(()) => {
                let answer: fn(_) -> _ = admitted_answer;
                Either::Right(Either::Left(self.service.call(req).map(answer)))
            }
            Err(error) => Either::Left(ready(Ok(turned_away(gate, &error, req)))),
        }
    }
}

/// The answer of the service inside, which depends on the cookie as everything behind a gate does.
fn admitted_answer<B>(answer: Result<ServiceResponse<B>, actix_web::Error>) -> Answer<B> {
    match answer {
        Ok(mut response) => {
            vary_on_cookie(response.headers_mut());
            Ok(response.map_into_left_body())
        }
        Err(mut error) => {
            error.add_response_mapper(|mut response| {
                vary_on_cookie(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}

/// A response and not an error, so that what is wrapped around the gate (CORS, logging,
/// compression) still does its work.
fn turned_away<B>(
    gate: &Gate,
    error: &Error,
    req: ServiceRequest,
) -> ServiceResponse<EitherBody<B>> {
    let mut response = gate.respond(error, req.request());
    vary_on_cookie(response.headers_mut());
    req.into_response(response).map_into_right_body()
}
