//! One request's way through a middleware: recognise the visitor, let through or reject, answer.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::{Future, Ready, ready},
    rc::Rc,
    sync::Arc,
    task::{self, Poll},
};

use actix_web::{
    HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Payload, Service, ServiceRequest, ServiceResponse},
    http::Version,
};
use futures_util::future::{Either, FutureExt, LocalBoxFuture};

use super::{
    admission::Admits,
    admitted::Admitted,
    cookie_header::last_cookies,
    csrf_check::{self, CsrfPolicy, CsrfState, Wanted},
    request::{AnswerState, Context, Visit},
    request_parts::request_parts,
    request_session::{LoadedSession, RequestSession},
    rest::{IncomingSession, Recognised, Request, RestAnswer},
    vary::vary_on_cookie,
};
use crate::{
    csrf::CsrfCheck,
    database::{RequestBudgets, in_request},
    error::Error,
    session::{DjangoSession, SessionKey, USER_ID},
    site::{DjangoSite, RequestParts},
};

/// One worker's middleware.
pub(crate) struct Middleware {
    context: Rc<Context>,
    admits: Admits,
    /// The permissions that it needs.
    permissions: Arc<[String]>,
    csrf: CsrfPolicy,
    csrf_check: CsrfCheck,
    /// Whether sessions may be changed.
    writes: bool,
}

/// A request before its visitor is known.
struct Arrival {
    session: IncomingSession,
    csrf: Rc<CsrfState>,
    answer: Rc<AnswerState>,
    outer: Option<Rc<Visit>>,
}

impl Middleware {
    pub(crate) fn new(context: Context, admits: Admits, csrf: CsrfPolicy) -> Self {
        let writes = context.site.require_writing().is_ok();
        let csrf_check = CsrfCheck::new(context.site.settings());
        let (context, permissions) = (Rc::new(context), admits.permissions().into());
        Self { context, admits, permissions, csrf, csrf_check, writes }
    }

    /// What is known already: by middlewares further out, or by the cookies alone.
    fn arrival(&self, req: &ServiceRequest) -> Arrival {
        let settings = self.site().settings();
        let is_ours = |visit: &Visit| visit.site().shares_sessions(self.site());
        let shares_csrf = |visit: &Visit| {
            CsrfState::serves(visit.site().settings(), settings)
                && (!settings.csrf_use_sessions || is_ours(visit))
        };
        let outer = Visit::of(req).map(Rc::new);
        let visits = || outer.iter().flat_map(|outer| outer.and_outer());
        let names = [&settings.session_cookie_name, &settings.csrf_cookie_name];
        let [session_cookie, csrf_cookie] = last_cookies(req.headers(), names.map(|name| &**name));
        let csrf = visits().find(|visit| shares_csrf(visit)).map(|visit| Rc::clone(&visit.csrf));
        let csrf = csrf.unwrap_or_else(|| CsrfState::of(csrf_cookie.as_deref(), settings));
        let answer = outer.as_deref().map(|outer| Rc::clone(&outer.answer)).unwrap_or_default();
        let session = match visits().find(|visit| is_ours(visit)) {
            Some(visit) => IncomingSession::Known(Rc::clone(&visit.session)),
            None => match session_cookie {
                None => IncomingSession::Known(RequestSession::new(LoadedSession::NoCookie)),
                Some(cookie) => match SessionKey::new(cookie) {
                    None => IncomingSession::Known(RequestSession::new(LoadedSession::NoKey)),
                    Some(key) => IncomingSession::Unknown(key),
                },
            },
        };
        Arrival { session, csrf, answer, outer }
    }

    async fn look_up(&self, key: &SessionKey) -> Result<Rc<RequestSession>, Error> {
        let budget = self.site().database().read_budget();
        if self.admits.user_matters() {
            let visitor = self.site().visitor(key, &self.permissions, &budget).await?;
            return Ok(RequestSession::of_visitor(self.site(), visitor));
        }
        let wait = budget.wait();
        match self.site().load_by(key, wait.deadline()).await {
            Err(error) if !error.wants_login() => Err(error),
            session => Ok(RequestSession::new(LoadedSession::from(session))),
        }
    }

    fn site(&self) -> &DjangoSite {
        &self.context.site
    }

    /// The visit for the extractors, and whether this middleware stores the session: the outermost one that
    /// may does.
    fn visit(&self, session: Rc<RequestSession>, arrival: &Arrival) -> (Visit, bool) {
        let stores = self.writes && session.keep(self.site());
        let csrf = Rc::clone(&arrival.csrf);
        csrf.read(&session);
        (self.visit_of(session, arrival), stores)
    }

    fn visit_of(&self, session: Rc<RequestSession>, arrival: &Arrival) -> Visit {
        Visit {
            context: Rc::clone(&self.context),
            session,
            csrf: Rc::clone(&arrival.csrf),
            answer: Rc::clone(&arrival.answer),
            outer: arrival.outer.clone(),
        }
    }

    /// Which part of the CSRF check the request needs.
    fn wanted(&self, req: &ServiceRequest, csrf: &CsrfState) -> Wanted {
        match self.csrf {
            CsrfPolicy::Exempt => Wanted::Nothing,
            CsrfPolicy::Checked | CsrfPolicy::IfLoggedIn => match Wanted::of(req) {
                Wanted::Nothing => Wanted::Nothing,
                _ if csrf.was_checked_by(self.site()) => Wanted::Nothing,
                wanted => wanted,
            },
        }
    }

    /// Whether the CSRF check needs the session.
    fn csrf_needs_session(&self) -> bool {
        self.csrf == CsrfPolicy::IfLoggedIn || self.site().settings().csrf_use_sessions
    }

    async fn check_csrf(
        &self,
        req: &mut ServiceRequest,
        wanted: Wanted,
        csrf: &CsrfState,
    ) -> Result<(), Error> {
        csrf_check::check(req, wanted, &self.csrf_check, csrf, self.site()).await
    }

    /// [`Self::check_csrf`] once the visitor is known.
    async fn check_csrf_of(
        &self,
        visit: &Visit,
        req: &mut ServiceRequest,
        wanted: Wanted,
    ) -> Result<(), Error> {
        // A user whom `get_user` would refuse counts too, because handlers may use the id alone. So does an id
        // that Django would never write, because `get_user` reads it (A5).
        let names_user = |session: &DjangoSession| {
            session.data().is_ok_and(|data| data.get_json(USER_ID).is_some())
        };
        if self.csrf == CsrfPolicy::IfLoggedIn
            && !visit.optional_session()?.as_ref().is_some_and(names_user)
        {
            return Ok(());
        }
        self.check_csrf(req, wanted, &visit.csrf).await
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

type ServiceReply<B> = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>;

impl<S, B> Service<ServiceRequest> for DjangoSessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    #[allow(clippy::type_complexity)]
    type Future = Either<
        Ready<ServiceReply<B>>,
        Either<Admitted<S::Future>, LocalBoxFuture<'static, ServiceReply<B>>>,
    >;

    fn poll_ready(&self, cx: &mut task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let middleware = &self.middleware;
        let arrival = middleware.arrival(&req);
        if matches!(middleware.admits, Admits::Rest(_)) {
            let (middleware, service) = (Rc::clone(middleware), Rc::clone(&self.service));
            let parts = request_parts(&req, middleware.site());
            let answer = in_request(rest_answer(middleware, service, req, arrival));
            return Either::Right(Either::Right(answering(parts, answer)));
        }
        let wanted = middleware.wanted(&req, &arrival.csrf);
        // Hooks may run for a session that an outer middleware has found.
        let asks_hooks = arrival.outer.is_some() && middleware.site().hooks_use_request();
        let is_simple = wanted == Wanted::Nothing && !middleware.writes && !asks_hooks;
        match &arrival.session {
            // Nothing to look up, to check or to store: no query, and no future in a box.
            IncomingSession::Known(session)
                if is_simple && middleware.admits.can_decide(session) =>
            {
                let (visit, _) = middleware.visit(Rc::clone(session), &arrival);
                match middleware.admits.check_session(&visit.session) {
                    Ok(()) => {
                        visit.clone().attach(&req);
                        let mut budgets = RequestBudgets::default();
                        let answer = budgets.enter(|| self.service.call(req));
                        Either::Right(Either::Left(Admitted::new(answer, visit, budgets)))
                    }
                    Err(error) => Either::Left(ready(Ok(rejected(middleware, &error, visit, req)))),
                }
            }
            _ => {
                let (middleware, service) = (Rc::clone(middleware), Rc::clone(&self.service));
                let parts = request_parts(&req, middleware.site());
                let answer = in_request(answer(middleware, service, req, wanted, arrival));
                Either::Right(Either::Right(answering(parts, answer)))
            }
        }
    }
}

/// Runs the answer with the request at hand for hooks.
fn answering<T: 'static>(
    parts: Option<RequestParts>,
    answer: impl Future<Output = T> + 'static,
) -> LocalBoxFuture<'static, T> {
    match parts {
        Some(parts) => parts.answering(answer).boxed_local(),
        None => answer.boxed_local(),
    }
}

/// Answers a request in Django's order. The CSRF check comes first; it needs the database only if it needs
/// the session.
async fn answer<S, B>(
    middleware: Rc<Middleware>,
    service: Rc<S>,
    mut req: ServiceRequest,
    wanted: Wanted,
    arrival: Arrival,
) -> ServiceReply<B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    let (now, later) = match middleware.csrf_needs_session() {
        false => (wanted, Wanted::Nothing),
        true => (Wanted::Nothing, wanted),
    };
    // What not every request needs is in a box, so that the future of the others is small.
    let checked = match now {
        Wanted::Nothing => Ok(()),
        now => Box::pin(middleware.check_csrf(&mut req, now, &arrival.csrf)).await,
    };
    let session = match (&arrival.session, &checked) {
        (IncomingSession::Known(session), _) => Ok(Rc::clone(session)),
        (IncomingSession::Unknown(key), Ok(())) => Box::pin(middleware.look_up(key)).await,
        // This answer needs no lookup.
        (IncomingSession::Unknown(_), Err(error)) => Err(error.clone()),
    };
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            let unknown = RequestSession::new(LoadedSession::Unavailable(error.clone()));
            let visit = middleware.visit_of(unknown, &arrival);
            return Ok(rejected(&middleware, &error, visit, req));
        }
    };
    let (visit, stores) = middleware.visit(session, &arrival);
    let mut admitted = checked;
    if admitted.is_ok() && later != Wanted::Nothing {
        admitted = Box::pin(middleware.check_csrf_of(&visit, &mut req, later)).await;
    }
    if admitted.is_ok() {
        admitted = middleware.admits.check(&visit).await;
    }
    let reply = match admitted {
        Ok(()) => {
            visit.clone().attach(&req);
            Admitted::new(service.call(req), visit.clone(), RequestBudgets::default()).await
        }
        Err(error) => Ok(rejected(&middleware, &error, visit.clone(), req)),
    };
    match stores {
        true => Box::pin(stored(&middleware, &visit, reply)).await,
        false => reply,
    }
}

/// Answers a request in the order of the REST framework: authentication with its CSRF check, permissions.
async fn rest_answer<S, B>(
    middleware: Rc<Middleware>,
    service: Rc<S>,
    mut req: ServiceRequest,
    mut arrival: Arrival,
) -> ServiceReply<B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    let Admits::Rest(rest) = &middleware.admits else { unreachable!("asked before") };
    let nothing = IncomingSession::Known(RequestSession::new(LoadedSession::NoKey));
    let csrf = Rc::clone(&arrival.csrf);
    let request = Request {
        site: middleware.site(),
        csrf_check: &middleware.csrf_check,
        csrf: &csrf,
        incoming: std::mem::replace(&mut arrival.session, nothing),
        stores: Cell::default(),
        looked_at: RefCell::default(),
        now: (rest.clock)(),
    };
    let (visit, reply) = match request.admit(rest, &mut req).await {
        Ok(Recognised { session, auth, .. }) => {
            req.extensions_mut().insert(auth);
            let visit = middleware.visit_of(session, &arrival);
            visit.clone().attach(&req);
            let reply =
                Admitted::new(service.call(req), visit.clone(), RequestBudgets::default()).await;
            (visit, with_headers(reply, RestAnswer::of(rest)))
        }
        Err(error) => {
            // What a class has changed in the session is stored all the same, such as its end.
            let session = request
                .looked_at
                .take()
                .unwrap_or_else(|| RequestSession::new(LoadedSession::Unavailable(error.clone())));
            let visit = middleware.visit_of(session, &arrival);
            let reply = rejected(&middleware, &error, visit.clone(), req);
            (visit, Ok(reply))
        }
    };
    match request.stores.get() {
        true => stored(&middleware, &visit, reply).await,
        false => reply,
    }
}

/// Adds to an answer of the view the headers that all its answers have.
fn with_headers<B>(reply: ServiceReply<B>, of_view: RestAnswer) -> ServiceReply<B> {
    match reply {
        Ok(mut response) => {
            // A rejection that a handler returns gets the same answer as one of the middleware.
            let error = response.response().error().and_then(|error| error.as_error::<Error>());
            if let Some(error) = error.filter(|error| error.reason().is_some()) {
                let mut answer = of_view.to(error, response.request());
                for (name, value) in response.headers() {
                    answer.headers_mut().append(name.clone(), value.clone());
                }
                let req = response.into_parts().0;
                response = ServiceResponse::new(req, answer).map_into_right_body();
            }
            of_view.add_headers(response.headers_mut());
            vary_on_cookie(response.headers_mut());
            Ok(response)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                of_view.add_headers(response.headers_mut());
                vary_on_cookie(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}

/// Stores the session and returns the answer; if the session cannot be stored, another answer.
async fn stored<B>(
    middleware: &Middleware,
    visit: &Visit,
    reply: ServiceReply<B>,
) -> ServiceReply<B> {
    let status = match &reply {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let settings = middleware.site().settings();
    let cookie = visit.session.finish(status).await;
    let may_send = || visit.answer.may_send_session_cookie(&settings.session_cookie_name);
    match (cookie.map(|cookie| cookie.filter(|_| may_send())), reply) {
        (Ok(None), reply) => reply,
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
        // The request is gone, so the middleware's own answer cannot be made.
        (Err(error), Err(_)) => {
            middleware.context.report(&error);
            let mut error = actix_web::Error::from(error);
            error.add_response_mapper(|mut response| {
                vary_on_cookie(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}

/// The body of a request that is answered without it.
struct Unread(#[allow(dead_code, reason = "it is there to be dropped with the answer")] Payload);

/// A response and not an error, so that middlewares outside (CORS, logging, compression) still do their work;
/// they see the visit.
fn rejected<B>(
    middleware: &Middleware,
    error: &Error,
    visit: Visit,
    req: ServiceRequest,
) -> ServiceResponse<EitherBody<B>> {
    let csrf = Rc::clone(&visit.csrf);
    // After a failure, an access log must not repeat the lookup.
    let session = match error.reason() {
        Some(_) => Rc::clone(&visit.session),
        None => RequestSession::new(LoadedSession::Unavailable(error.clone())),
    };
    let answer = Rc::clone(&visit.answer);
    Visit { session, ..visit }.attach(&req);
    let mut response = middleware.context.respond(error, req.request());
    answer.report();
    vary_on_cookie(response.headers_mut());
    csrf.send(response.headers_mut(), middleware.site().settings());
    let (req, unread) = req.into_parts();
    // actix closes the connection if the body is still being received when the answer is sent. If the body
    // were dropped here, actix would read a chunked one to its end, however long that takes. Over HTTP/2 a
    // body ends its stream alone, and keeping it would hold the form's room until the client has read the
    // answer.
    if req.version() < Version::HTTP_2 && !matches!(unread, Payload::None) {
        response.extensions_mut().insert(Unread(unread));
    }
    ServiceResponse::new(req, response).map_into_right_body()
}

#[cfg(test)]
mod tests {
    use actix_service::boxed::BoxService;
    use actix_web::{
        App, HttpResponse,
        body::MessageBody as _,
        cookie::Cookie,
        http::Version,
        test::{TestRequest, call_service, init_service},
        web,
    };
    use futures_util::stream::{StreamExt, iter, pending};

    use super::*;
    use crate::{DjangoSessionMiddleware, DjangoSettings, web::test::TestSite};

    const SECRET: &str = "abcdefghijklmnopqrstuvwxyz012345";

    /// The allocator keeps freed blocks up to this size at hand; larger ones cost several times as much.
    const QUICK: usize = 1032;

    fn size_of_result<F, A, B, C, D, E>(_: impl Fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_futures_of_a_request_fit_into_quick_blocks() {
        let site = TestSite::new(DjangoSettings::new("k")).build();
        let middleware = DjangoSessionMiddleware::login_required(site).middleware();
        let key = SessionKey::new(SECRET).unwrap();
        let look_up = size_of_val(&in_request(middleware.look_up(&key)));
        type Inner = BoxService<ServiceRequest, ServiceResponse, actix_web::Error>;
        let answer = size_of_result(|a, b, c, d, e| in_request(answer::<Inner, _>(a, b, c, d, e)));
        let visit = Visit {
            context: Rc::clone(&middleware.context),
            session: RequestSession::new(LoadedSession::NoCookie),
            csrf: CsrfState::of(None, middleware.site().settings()),
            answer: Rc::default(),
            outer: None,
        };
        let reply: ServiceReply<()> = Err(Error::Anonymous.into());
        let stored = size_of_val(&stored(&middleware, &visit, reply));
        let sizes = [look_up, answer, stored];
        assert!(sizes.iter().all(|&size| size <= QUICK), "{sizes:?}");
    }

    /// Over HTTP/2 a client says how fast it takes an answer, if at all.
    #[actix_web::test]
    async fn a_form_that_is_refused_takes_no_room_while_its_answer_is_sent() {
        let site = TestSite::new(DjangoSettings::new("k")).build();
        let app = App::new().wrap(DjangoSessionMiddleware::login_required(site.clone()));
        let app = app.default_service(web::to(HttpResponse::Ok));
        let app = init_service(app).await;
        let begin = "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\n";
        for token in ["wrong", SECRET] {
            let end = format!(
                "\r\n--b\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n\
                 {token}\r\n--b--\r\n"
            );
            let body = [begin.as_bytes(), &[b'x'; 3_000_000], end.as_bytes()].concat();
            let length = body.len();
            let pieces: Vec<_> =
                body.chunks(50_000).map(|piece| Ok(web::Bytes::copy_from_slice(piece))).collect();
            let mut req = TestRequest::post()
                .version(Version::HTTP_2)
                .insert_header(("content-type", "multipart/form-data; boundary=b"))
                .insert_header(("content-length", length))
                .cookie(Cookie::new("csrftoken", SECRET))
                .to_request();
            let stream = Box::pin(iter(pieces).chain(pending()));
            *req.payload() = actix_web::dev::Payload::Stream { payload: stream };
            let answer = call_service(&app, req).await;
            assert_eq!(answer.status(), if token == SECRET { 302 } else { 403 });
            // As it is on its way: actix keeps the head until the last byte is sent.
            let (answer, body) = answer.into_parts().1.into_parts();
            assert_eq!(site.form_spool().taken(), 0, "{token}");
            drop((answer, body.size()));
        }
    }
}
