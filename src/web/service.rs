//! One request's way through a middleware: recognise the visitor, let through or turn away, answer.

use std::{
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    rc::Rc,
    task::{self, Poll},
};

use actix_web::{
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse},
    http::header::HeaderMap,
};
use futures_util::future::{Either, FutureExt, LocalBoxFuture};
use pin_project_lite::pin_project;

use super::{
    admission::Admits,
    cookie,
    csrf::{self, CsrfPolicy, CsrfState, Wanted},
    messages,
    request::{Context, Found, Visit},
    vary::vary_on_cookie,
    writing::Writing,
};
use crate::{
    auth::DjangoSite,
    csrf::CsrfCheck,
    error::Error,
    messages::CookieChange,
    session::{DjangoSession, SessionKey, USER_ID},
};

/// One worker's middleware.
pub(crate) struct Middleware {
    context: Rc<Context>,
    admits: Admits,
    csrf: CsrfPolicy,
    csrf_check: CsrfCheck,
    /// What is known of all requests without a session key.
    nobody: Rc<Found>,
    /// Whether sessions may be changed.
    writes: bool,
}

/// Who a visitor is, or the key under which that can be looked up.
enum Visitor {
    Known(Rc<Found>),
    Unknown(SessionKey),
}

impl Middleware {
    pub(crate) fn new(context: Context, admits: Admits, csrf: CsrfPolicy) -> Self {
        let nobody = Found::session(Err(Error::NoSessionKey));
        let writes = context.site.require_writing().is_ok();
        let csrf_check = CsrfCheck::new(context.site.settings());
        Self { context: Rc::new(context), admits, csrf, csrf_check, nobody, writes }
    }

    /// Who it is, as far as that is known, and what the request brings against CSRF.
    fn visitor(&self, req: &ServiceRequest) -> (Visitor, Rc<CsrfState>) {
        let settings = self.site().settings();
        let brought = || {
            let of_test = CsrfState::given_by_test(req);
            of_test.unwrap_or_else(|| CsrfState::of(req.headers(), settings))
        };
        match self.outer_visit(req) {
            Some(Visit { context: None, found, .. }) => (Visitor::Known(found), brought()),
            Some(Visit { found, csrf, .. }) => (Visitor::Known(found), csrf),
            None => match cookie::session_key(req.headers(), &settings.session_cookie_name) {
                Some(key) => (Visitor::Unknown(key), brought()),
                None => (Visitor::Known(Rc::clone(&self.nobody)), brought()),
            },
        }
    }

    /// What an outer middleware of the same site, or a test, has found out already.
    fn outer_visit(&self, req: &ServiceRequest) -> Option<Visit> {
        let is_ours = |context: &Context| context.site.is_same(self.site());
        Visit::of(req).filter(|visit| visit.context.as_deref().is_none_or(is_ours))
    }

    async fn look_up(&self, key: &SessionKey) -> Result<Rc<Found>, Error> {
        let patience = self.site().database().patience();
        let found = if self.admits.user_matters() {
            let asks_permissions = self.admits.asks_permissions();
            let (session, user) =
                self.site().load_with_user(key, asks_permissions, &patience).await?;
            Found::session_and_user(session, user)
        } else {
            let wait = patience.wait();
            match self.site().load_by(key, wait.deadline()).await {
                Err(error) if !error.is_rejection() => return Err(error),
                session => Found::session(session),
            }
        };
        Ok(found.after(patience))
    }

    fn site(&self) -> &DjangoSite {
        &self.context.site
    }

    /// What the extractors are to know, and whether what they do to the session is this middleware's to
    /// store: that is for the outermost one.
    fn visit(&self, found: Rc<Found>, csrf: Rc<CsrfState>, req: &ServiceRequest) -> (Visit, bool) {
        let context = Some(Rc::clone(&self.context));
        if let Some(outer) = self.outer_visit(req) {
            let Visit { writing, messages, .. } = outer;
            return (Visit { context, found, writing, csrf, messages, is_over: false }, false);
        }
        let name = &self.site().settings().session_cookie_name;
        let writing = self.writes.then(|| {
            let has_cookie = cookie::last_cookie(req.headers(), name).is_some();
            Writing::new(Some(self.site().clone()), found.session.clone(), has_cookie)
        });
        let messages = Rc::default();
        (Visit { context, found, writing, csrf, messages, is_over: false }, self.writes)
    }

    /// A visit of which nothing is known but this error.
    fn blind_visit(&self, error: &Error, csrf: Rc<CsrfState>) -> Visit {
        let (context, found) = (Some(Rc::clone(&self.context)), Found::session(Err(error.clone())));
        let messages = Rc::default();
        Visit { context, found, writing: None, csrf, messages, is_over: false }
    }

    /// What there is to check of the request against CSRF.
    fn wanted(&self, req: &ServiceRequest, csrf: &CsrfState) -> Wanted {
        match self.csrf {
            CsrfPolicy::Exempt => Wanted::Nothing,
            _ if csrf.is_checked() => Wanted::Nothing,
            _ => Wanted::of(req),
        }
    }

    /// Whether the session has a say in that.
    fn asks_session_for_csrf(&self) -> bool {
        self.csrf == CsrfPolicy::IfLoggedIn || self.site().settings().csrf.use_sessions
    }

    async fn check_csrf(
        &self,
        req: &mut ServiceRequest,
        wanted: Wanted,
        csrf: &CsrfState,
        session: Option<&DjangoSession>,
    ) -> Result<(), Error> {
        let settings = self.site().settings();
        csrf::check(req, wanted, &self.csrf_check, csrf, session, settings).await
    }

    /// The same, for a visitor who is known.
    async fn check_csrf_of(
        &self,
        visit: &Visit,
        req: &mut ServiceRequest,
        wanted: Wanted,
    ) -> Result<(), Error> {
        if wanted == Wanted::Nothing {
            return Ok(());
        }
        let session = visit.optional_session()?;
        // Also one whom `get_user` would refuse, for handlers may go by the id alone, and an id that
        // Django would never write, for `get_user` reads it (A5).
        let names_user = |session: &DjangoSession| {
            session.data().is_ok_and(|data| data.get_json(USER_ID).is_some())
        };
        if self.csrf == CsrfPolicy::IfLoggedIn && !session.as_ref().is_some_and(names_user) {
            return Ok(());
        }
        self.check_csrf(req, wanted, &visit.csrf, session.as_ref()).await
    }
}

/// The service that [`DjangoSessionMiddleware`](crate::DjangoSessionMiddleware) makes.
#[doc(hidden)]
pub struct DjangoSessionService<S> {
    service: Rc<S>,
    middleware: Rc<Middleware>,
}

impl<S> DjangoSessionService<S> {
    pub(crate) fn new(service: S, middleware: Middleware) -> Self {
        Self { service: Rc::new(service), middleware: Rc::new(middleware) }
    }
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
    type Future =
        Either<Ready<Answer<B>>, Either<Admitted<S::Future>, LocalBoxFuture<'static, Answer<B>>>>;

    fn poll_ready(&self, cx: &mut task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let middleware = &self.middleware;
        let (visitor, csrf) = middleware.visitor(&req);
        let wanted = middleware.wanted(&req, &csrf);
        let is_simple = wanted == Wanted::Nothing && !middleware.writes;
        match visitor {
            // Nothing to look up, to check or to store: no query, and no future in a box.
            Visitor::Known(found) if is_simple && middleware.admits.can_decide(&found) => {
                let visit = middleware.visit(found, csrf, &req).0;
                match middleware.admits.check_session(&visit.found.session) {
                    Ok(()) => {
                        visit.clone().attach(&req);
                        Either::Right(Either::Left(Admitted::new(self.service.call(req), visit)))
                    }
                    Err(error) => {
                        Either::Left(ready(Ok(turned_away(middleware, &error, visit, req))))
                    }
                }
            }
            visitor => {
                let (middleware, service) = (Rc::clone(middleware), Rc::clone(&self.service));
                let answer = answer(middleware, service, visitor, req, wanted, csrf);
                Either::Right(Either::Right(answer.boxed_local()))
            }
        }
    }
}

/// The way in Django's order: the check for CSRF comes first, which needs nothing of the database
/// unless the session has a say in it.
async fn answer<S, B>(
    middleware: Rc<Middleware>,
    service: Rc<S>,
    visitor: Visitor,
    mut req: ServiceRequest,
    wanted: Wanted,
    csrf: Rc<CsrfState>,
) -> Answer<B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    let (now, later) = match middleware.asks_session_for_csrf() {
        false => (wanted, Wanted::Nothing),
        true => (Wanted::Nothing, wanted),
    };
    let checked = middleware.check_csrf(&mut req, now, &csrf, None).await;
    let found = match (visitor, &checked) {
        (Visitor::Known(found), _) => Ok(found),
        (Visitor::Unknown(key), Ok(())) => middleware.look_up(&key).await,
        // For this answer nothing has to be looked up.
        (Visitor::Unknown(_), Err(error)) => Err(error.clone()),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            return Ok(turned_away(&middleware, &error, middleware.blind_visit(&error, csrf), req));
        }
    };
    let (visit, sites) = middleware.visit(found, csrf, &req);
    let writing = visit.writing.clone().filter(|_| sites);
    let mut admitted = checked;
    if admitted.is_ok() {
        admitted = middleware.check_csrf_of(&visit, &mut req, later).await;
    }
    if admitted.is_ok() {
        admitted = middleware.admits.check(&visit).await;
    }
    let answer = match admitted {
        Ok(()) => {
            visit.clone().attach(&req);
            Admitted::new(service.call(req), visit).await
        }
        Err(error) => Ok(turned_away(&middleware, &error, visit, req)),
    };
    match writing {
        Some(writing) => stored(&middleware, &writing, answer).await,
        None => answer,
    }
}

/// The answer, once what was done to the session is stored; another one if it cannot be.
async fn stored<B>(middleware: &Middleware, writing: &Writing, answer: Answer<B>) -> Answer<B> {
    let status = match &answer {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let settings = middleware.site().settings();
    match (writing.finish(status).await, answer) {
        (Ok(None), answer) => answer,
        (Ok(Some(cookie)), Ok(mut response)) => {
            cookie.send(settings, response.headers_mut());
            Ok(response)
        }
        (Ok(Some(cookie)), Err(mut error)) => {
            let context = Rc::clone(&middleware.context);
            error.add_response_mapper(move |mut response| {
                cookie.send(context.site.settings(), response.headers_mut());
                response
            });
            Err(error)
        }
        (Err(error), Ok(response)) => {
            let req = response.into_parts().0;
            let mut response = middleware.context.respond(&error, &req);
            vary_on_cookie(response.headers_mut());
            Ok(ServiceResponse::new(req, response).map_into_right_body())
        }
        // There is no request any more that the middleware's own answer could be made for.
        (Err(error), Err(_)) => {
            middleware.site().observer().turned_away(&error, Some(&middleware.context.name));
            let mut error = actix_web::Error::from(error);
            error.add_response_mapper(|mut response| {
                vary_on_cookie(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}

pin_project! {
    /// The answer of the service inside, with what a middleware adds to it.
    #[doc(hidden)]
    pub struct Admitted<F> {
        #[pin]
        answer: F,
        visit: Option<Visit>,
    }
}

impl<F> Admitted<F> {
    fn new(answer: F, visit: Visit) -> Self {
        Self { answer, visit: Some(visit) }
    }
}

impl<F> fmt::Debug for Admitted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").finish_non_exhaustive()
    }
}

impl<F, B> Future for Admitted<F>
where
    F: Future<Output = Result<ServiceResponse<B>, actix_web::Error>>,
{
    type Output = Answer<B>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = std::task::ready!(this.answer.poll(cx));
        let visit = this.visit.take();
        // Before the session is stored: some of them may go there.
        let messages = visit.as_ref().map(Visit::update_messages).unwrap_or_default();
        Poll::Ready(match answer {
            Ok(mut response) => {
                add_headers(response.headers_mut(), visit.as_ref(), &messages);
                Ok(response.map_into_left_body())
            }
            Err(mut error) => {
                error.add_response_mapper(move |mut response| {
                    add_headers(response.headers_mut(), visit.as_ref(), &messages);
                    response
                });
                Err(error)
            }
        })
    }
}

/// The answer of the service inside depends on the cookie, as everything behind a middleware does.
fn add_headers(headers: &mut HeaderMap, visit: Option<&Visit>, messages: &CookieChange) {
    vary_on_cookie(headers);
    if let Some(Visit { context: Some(context), csrf, .. }) = visit {
        messages::send(messages, headers, context.site.settings());
        csrf.send(headers, context.site.settings());
    }
}

/// A response and not an error, so that what is wrapped around the middleware (CORS, logging,
/// compression) still does its work; and it sees what was found out.
fn turned_away<B>(
    middleware: &Middleware,
    error: &Error,
    visit: Visit,
    req: ServiceRequest,
) -> ServiceResponse<EitherBody<B>> {
    let csrf = Rc::clone(&visit.csrf);
    // What could not be found out now is not asked again for a log.
    let visit = match error.reason() {
        Some(_) => visit,
        None => middleware.blind_visit(error, Rc::clone(&csrf)),
    };
    Visit { is_over: true, ..visit }.attach(&req);
    let mut response = middleware.context.respond(error, req.request());
    vary_on_cookie(response.headers_mut());
    csrf.send(response.headers_mut(), middleware.site().settings());
    req.into_response(response).map_into_right_body()
}
