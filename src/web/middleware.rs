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
    visit::{Found, Visit},
};
use crate::{error::Error, session::SessionKey, settings::DjangoSettings, store::SessionStore};

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
#[derive(Clone, Debug)]
enum Admits {
    Anyone,
    Session,
    User(Demands),
}

/// What a user must have beyond being logged in.
#[derive(Clone, Debug, Default)]
struct Demands {
    staff: bool,
    permissions: Vec<String>,
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

    /// Lets a request through only if Django's `request.user.is_authenticated` would be true: the
    /// user exists, is active, has not changed the password since, and came in by a backend that
    /// is still listed. Two indexed reads.
    ///
    /// See [`SessionStore::get_user`] for what is checked, and where this differs from Django.
    pub fn login_required(store: SessionStore) -> Self {
        store.use_users();
        Self::new(store, Admits::User(Demands::default()))
    }

    /// Lets only users through who have this permission, `"app_label.codename"`; called several
    /// times, all of them. Others who are logged in get a 403, and nobody is sent to log in twice.
    ///
    /// Makes any gate one for `login_required`.
    pub fn permission_required(mut self, permission: impl Into<String>) -> Self {
        self.demands().permissions.push(permission.into());
        self
    }

    /// Lets only users through who may use the admin site (`is_staff`); others who are logged in
    /// get a 403.
    ///
    /// Makes any gate one for `login_required`.
    pub fn staff_required(mut self) -> Self {
        self.demands().staff = true;
        self
    }

    fn demands(&mut self) -> &mut Demands {
        if !matches!(self.admits, Admits::User(_)) {
            self.store.use_users();
            self.admits = Admits::User(Demands::default());
        }
        let Admits::User(demands) = &mut self.admits else { unreachable!("set above") };
        demands
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
    /// [`actix_web::ResponseError`]) is the answer without a handler, a redirect apart. With a
    /// handler, `unauthorized` and `login_url` have no effect.
    ///
    /// ```
    /// # use actix_django_session::{DjangoSessionMiddleware, SessionStore};
    /// use actix_web::{ResponseError, http::header::{CONTENT_TYPE, HeaderValue}};
    ///
    /// # fn f(store: SessionStore) -> DjangoSessionMiddleware {
    /// DjangoSessionMiddleware::required(store).error_handler(|error, _req| {
    ///     let mut response = error.error_response(); // its status, and Retry-After of a 503
    ///     response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    ///     response.set_body(error.to_string()).map_into_boxed_body()
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
                let login_url = self
                    .login_url
                    .as_ref()
                    .filter(|url| !url.is_empty())
                    .unwrap_or(&self.store.settings().login_url);
                Rejection::Redirect(LoginUrl::new(login_url, &self.redirect_field_name))
            }
        };
        Gate {
            store: self.store.for_worker(),
            admits: self.admits.clone(),
            rejection,
            nobody: Found::session(Err(Error::NoSessionKey)),
        }
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
    /// What is known of all requests without a session key.
    nobody: Rc<Found>,
}

/// Who a visitor is, or the key under which that can be looked up.
enum Visitor {
    Known(Rc<Found>),
    Unknown(SessionKey),
}

impl Gate {
    fn visitor(&self, req: &ServiceRequest) -> Visitor {
        // An outer gate of the same store, or a test, may have found out already.
        if let Some(visit) = Visit::of(req)
            && visit.gate.is_none_or(|gate| gate.store.is_same(&self.store))
        {
            return Visitor::Known(visit.found);
        }
        match cookie::session_key(req.headers(), &self.settings().session_cookie_name) {
            Some(key) => Visitor::Unknown(key),
            None => Visitor::Known(Rc::clone(&self.nobody)),
        }
    }

    async fn look_up(&self, key: &SessionKey) -> Result<Rc<Found>, Error> {
        if matches!(self.admits, Admits::User(_)) {
            let (session, user) = self.store.load_with_user(key).await?;
            return Ok(Found::session_and_user(session, user));
        }
        match self.store.load(key).await {
            Err(error) if !error.is_rejection() => Err(error),
            session => Ok(Found::session(session)),
        }
    }

    /// Whether this can be decided without asking the database.
    fn can_decide(&self, found: &Found) -> bool {
        !matches!(self.admits, Admits::User(_)) || found.session.is_err()
    }

    /// Says why the visitor does not come through.
    async fn check(&self, found: &Found) -> Result<(), Error> {
        match &self.admits {
            Admits::User(demands) => {
                let user = found.user(&self.store).await?;
                let lacks_staff = demands.staff && !user.is_staff();
                if lacks_staff || !user.meets(&demands.permissions).await? {
                    return Err(Error::PermissionDenied);
                }
                Ok(())
            }
            _ => self.check_session(found),
        }
    }

    fn check_session(&self, found: &Found) -> Result<(), Error> {
        match &found.session {
            Err(reason) if !matches!(self.admits, Admits::Anyone) => Err(reason.clone()),
            _ => Ok(()),
        }
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
        match gate.visitor(&req) {
            // Nothing to look up: no query, and no future in a box.
            Visitor::Known(found) if gate.can_decide(&found) => match gate.check_session(&found) {
                Ok(()) => {
                    let answer: fn(_) -> _ = admitted_answer;
                    let visit = Visit { gate: Some(Rc::clone(gate)), found };
                    visit.attach(&req);
                    Either::Right(Either::Left(self.service.call(req).map(answer)))
                }
                Err(error) => Either::Left(ready(Ok(turned_away(gate, &error, req)))),
            },
            visitor => {
                let (gate, service) = (Rc::clone(gate), Rc::clone(&self.service));
                let answer = async move {
                    match admit(&gate, visitor).await {
                        Ok(found) => {
                            Visit { gate: Some(gate), found }.attach(&req);
                            admitted_answer(service.call(req).await)
                        }
                        Err(error) => Ok(turned_away(&gate, &error, req)),
                    }
                };
                Either::Right(Either::Right(answer.boxed_local()))
            }
        }
    }
}

async fn admit(gate: &Gate, visitor: Visitor) -> Result<Rc<Found>, Error> {
    let found = match visitor {
        Visitor::Known(found) => found,
        Visitor::Unknown(key) => gate.look_up(&key).await?,
    };
    gate.check(&found).await?;
    Ok(found)
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
