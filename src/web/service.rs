//! One request's way through a gate: recognise the visitor, let through or turn away, answer.

use std::{
    fmt,
    future::{Ready, ready},
    rc::Rc,
    task::{self, Poll},
};

use actix_web::{
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse},
};
use futures_util::future::{Either, FutureExt, LocalBoxFuture, Map};

use super::{
    admission::Admits,
    cookie,
    request::{Context, Found, Visit},
    vary::vary_on_cookie,
    writing::Writing,
};
use crate::{auth::SessionStore, error::Error, session::SessionKey};

/// One worker's gate.
pub(crate) struct Gate {
    context: Rc<Context>,
    admits: Admits,
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

impl Gate {
    pub(crate) fn new(context: Context, admits: Admits) -> Self {
        let nobody = Found::session(Err(Error::NoSessionKey));
        let writes = context.store.require_writing().is_ok();
        Self { context: Rc::new(context), admits, nobody, writes }
    }

    fn visitor(&self, req: &ServiceRequest) -> Visitor {
        if let Some(visit) = self.outer_visit(req) {
            return Visitor::Known(visit.found);
        }
        match cookie::session_key(req.headers(), &self.store().settings().session_cookie_name) {
            Some(key) => Visitor::Unknown(key),
            None => Visitor::Known(Rc::clone(&self.nobody)),
        }
    }

    /// What an outer gate of the same store, or a test, has found out already.
    fn outer_visit(&self, req: &ServiceRequest) -> Option<Visit> {
        let is_ours = |context: &Context| context.store.is_same(self.store());
        Visit::of(req).filter(|visit| visit.context.as_deref().is_none_or(is_ours))
    }

    async fn look_up(&self, key: &SessionKey) -> Result<Rc<Found>, Error> {
        if self.admits.user_matters() {
            let (session, user) = self.store().load_with_user(key).await?;
            return Ok(Found::session_and_user(session, user));
        }
        match self.store().load(key).await {
            Err(error) if !error.is_rejection() => Err(error),
            session => Ok(Found::session(session)),
        }
    }

    fn store(&self) -> &SessionStore {
        &self.context.store
    }

    /// What the extractors are to know, and whether what they do to the session is this gate's to
    /// store: that is for the outermost one.
    fn visit(&self, found: Rc<Found>, req: &ServiceRequest) -> (Visit, bool) {
        let context = Some(Rc::clone(&self.context));
        if let Some(outer) = self.outer_visit(req) {
            return (Visit { context, found, writing: outer.writing, is_over: false }, false);
        }
        let name = &self.store().settings().session_cookie_name;
        let writing = self.writes.then(|| {
            let has_cookie = cookie::last_cookie(req.headers(), name).is_some();
            Writing::new(Some(self.store().clone()), found.session.clone(), has_cookie)
        });
        (Visit { context, found, writing, is_over: false }, self.writes)
    }

    /// Says why the visitor does not come through.
    async fn check(&self, visit: &Visit) -> Result<(), Error> {
        let checked = self.admits.check(&visit.found, self.store()).await;
        if let Some(writing) = &visit.writing {
            if let Some(user) = visit.found.known_user() {
                writing.found_user(&user)?;
            }
            if !matches!(self.admits, Admits::Anyone) {
                writing.look_into();
            }
        }
        checked
    }
}

/// The service that [`DjangoSessionMiddleware`](crate::DjangoSessionMiddleware) makes.
#[doc(hidden)]
pub struct DjangoSessionService<S> {
    service: Rc<S>,
    gate: Rc<Gate>,
}

impl<S> DjangoSessionService<S> {
    pub(crate) fn new(service: S, gate: Gate) -> Self {
        Self { service: Rc::new(service), gate: Rc::new(gate) }
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
    type Future = Either<
        Ready<Answer<B>>,
        Either<
            Map<S::Future, fn(Result<ServiceResponse<B>, actix_web::Error>) -> Answer<B>>,
            LocalBoxFuture<'static, Answer<B>>,
        >,
    >;

    fn poll_ready(&self, cx: &mut task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let gate = &self.gate;
        match gate.visitor(&req) {
            // Nothing to look up and nothing to store: no query, and no future in a box.
            Visitor::Known(found) if !gate.writes && gate.admits.can_decide(&found) => {
                match gate.admits.check_session(&found) {
                    Ok(()) => {
                        let answer: fn(_) -> _ = admitted_answer;
                        gate.visit(found, &req).0.attach(&req);
                        Either::Right(Either::Left(self.service.call(req).map(answer)))
                    }
                    Err(error) => Either::Left(ready(Ok(turned_away(gate, &error, found, req)))),
                }
            }
            visitor => {
                let (gate, service) = (Rc::clone(gate), Rc::clone(&self.service));
                Either::Right(Either::Right(answer(gate, service, visitor, req).boxed_local()))
            }
        }
    }
}

async fn answer<S, B>(
    gate: Rc<Gate>,
    service: Rc<S>,
    visitor: Visitor,
    req: ServiceRequest,
) -> Answer<B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    let found = match visitor {
        Visitor::Known(found) => found,
        Visitor::Unknown(key) => match gate.look_up(&key).await {
            Ok(found) => found,
            Err(error) => {
                let found = Found::session(Err(error.clone()));
                return Ok(turned_away(&gate, &error, found, req));
            }
        },
    };
    let (visit, stores) = gate.visit(found, &req);
    let writing = visit.writing.clone().filter(|_| stores);
    let answer = match gate.check(&visit).await {
        Ok(()) => {
            visit.attach(&req);
            admitted_answer(service.call(req).await)
        }
        Err(error) => Ok(turned_away(&gate, &error, visit.found, req)),
    };
    match writing {
        Some(writing) => stored(&gate, &writing, answer).await,
        None => answer,
    }
}

/// The answer, once what was done to the session is stored; another one if it cannot be.
async fn stored<B>(gate: &Gate, writing: &Writing, answer: Answer<B>) -> Answer<B> {
    let status = match &answer {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let settings = gate.store().settings();
    match (writing.finish(status).await, answer) {
        (Ok(None), answer) => answer,
        (Ok(Some(cookie)), Ok(mut response)) => {
            cookie.send(settings, response.headers_mut());
            Ok(response)
        }
        (Ok(Some(cookie)), Err(mut error)) => {
            let context = Rc::clone(&gate.context);
            error.add_response_mapper(move |mut response| {
                cookie.send(context.store.settings(), response.headers_mut());
                response
            });
            Err(error)
        }
        (Err(error), Ok(response)) => {
            let req = response.into_parts().0;
            let mut response = gate.context.respond(&error, &req);
            vary_on_cookie(response.headers_mut());
            Ok(ServiceResponse::new(req, response).map_into_right_body())
        }
        // There is no request any more that the gate's own answer could be made for.
        (Err(error), Err(_)) => {
            gate.store().observer().turned_away(&error);
            admitted_answer(Err(error.into()))
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
/// compression) still does its work; and it sees what was found out.
fn turned_away<B>(
    gate: &Gate,
    error: &Error,
    found: Rc<Found>,
    req: ServiceRequest,
) -> ServiceResponse<EitherBody<B>> {
    // What could not be found out now is not asked again for a log.
    let found = if error.reason().is_some() { found } else { Found::session(Err(error.clone())) };
    Visit::over(Rc::clone(&gate.context), found).attach(&req);
    let mut response = gate.context.respond(error, req.request());
    vary_on_cookie(response.headers_mut());
    req.into_response(response).map_into_right_body()
}
