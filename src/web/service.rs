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
};
use crate::{auth::SessionStore, error::Error, session::SessionKey};

/// One worker's gate.
pub(crate) struct Gate {
    context: Rc<Context>,
    admits: Admits,
    /// What is known of all requests without a session key.
    nobody: Rc<Found>,
}

/// Who a visitor is, or the key under which that can be looked up.
enum Visitor {
    Known(Rc<Found>),
    Unknown(SessionKey),
}

impl Gate {
    pub(crate) fn new(context: Context, admits: Admits) -> Self {
        let nobody = Found::session(Err(Error::NoSessionKey));
        Self { context: Rc::new(context), admits, nobody }
    }

    fn visitor(&self, req: &ServiceRequest) -> Visitor {
        // An outer gate of the same store, or a test, may have found out already.
        if let Some(visit) = Visit::of(req)
            && visit.context.is_none_or(|context| context.store.is_same(self.store()))
        {
            return Visitor::Known(visit.found);
        }
        match cookie::session_key(req.headers(), &self.store().settings().session_cookie_name) {
            Some(key) => Visitor::Unknown(key),
            None => Visitor::Known(Rc::clone(&self.nobody)),
        }
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

    /// Leaves what was found out for the extractors.
    fn attach(&self, found: Rc<Found>, req: &ServiceRequest) {
        Visit { context: Some(Rc::clone(&self.context)), found }.attach(req);
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
            // Nothing to look up: no query, and no future in a box.
            Visitor::Known(found) if gate.admits.can_decide(&found) => {
                match gate.admits.check_session(&found) {
                    Ok(()) => {
                        let answer: fn(_) -> _ = admitted_answer;
                        gate.attach(found, &req);
                        Either::Right(Either::Left(self.service.call(req).map(answer)))
                    }
                    Err(error) => Either::Left(ready(Ok(turned_away(gate, &error, req)))),
                }
            }
            visitor => {
                let (gate, service) = (Rc::clone(gate), Rc::clone(&self.service));
                let answer = async move {
                    match admit(&gate, visitor).await {
                        Ok(found) => {
                            gate.attach(found, &req);
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
    gate.admits.check(&found, gate.store()).await?;
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
    let mut response = gate.context.respond(error, req.request());
    vary_on_cookie(response.headers_mut());
    req.into_response(response).map_into_right_body()
}
