//! The answer to a request that a middleware has let through.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{self, Poll},
};

use actix_web::{
    body::EitherBody,
    dev::ServiceResponse,
    http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, SET_COOKIE, VARY},
};
use pin_project_lite::pin_project;

use super::{messages, request::Visit, vary::vary_on_cookie};
use crate::{database::RequestBudgets, error::Error, messages::CookieChange};

pin_project! {
    /// The answer of the service inside, with the headers that a middleware adds.
    #[doc(hidden)]
    pub struct Admitted<F> {
        #[pin]
        answer: F,
        visit: Option<Visit>,
        budgets: RequestBudgets,
    }
}

impl<F> Admitted<F> {
    /// `budgets`: those that the answer was begun on; new ones in a task that has some.
    pub(super) fn new(answer: F, visit: Visit, budgets: RequestBudgets) -> Self {
        Self { answer, visit: Some(visit), budgets }
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
    type Output = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = this.budgets.enter(|| this.answer.poll(cx));
        let answer = std::task::ready!(answer);
        let visit = this.visit.take();
        // Before the session is stored, because it may have to take some of the messages.
        let messages = visit.as_ref().map(Visit::update_messages).unwrap_or_default();
        Poll::Ready(match answer {
            Ok(response) => {
                let mut response = match &visit {
                    Some(visit) => answered(visit, response),
                    None => response.map_into_left_body(),
                };
                add_headers(response.headers_mut(), visit.as_ref(), &messages);
                Ok(response)
            }
            Err(mut error) => {
                if let (Some(visit), Some(error)) = (&visit, error.as_error::<Error>()) {
                    visit.report(error);
                }
                error.add_response_mapper(move |mut response| {
                    add_headers(response.headers_mut(), visit.as_ref(), &messages);
                    response
                });
                Err(error)
            }
        })
    }
}

/// The answer of the service inside. An [`Error`] that a handler returned is reported and given to the
/// `error_handler`. Errors of extractors and of inner middlewares already have their answer.
fn answered<B>(visit: &Visit, response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let error = response.response().error().and_then(|error| error.as_error::<Error>());
    let Some(error) = error.cloned() else { return response.map_into_left_body() };
    visit.report(&error);
    let handled = visit.context.rejection.handled(&error, response.request());
    let Some(mut handled) = handled else { return response.map_into_left_body() };
    let (req, unhandled) = response.into_parts();
    // Keep the headers that were added meanwhile, such as cookies.
    let headers = handled.headers_mut();
    for (name, value) in unhandled.headers() {
        let is_about_body = name == CONTENT_TYPE || name == CONTENT_LENGTH;
        if !is_about_body && (is_a_list(name) || !headers.contains_key(name)) {
            headers.append(name.clone(), value.clone());
        }
    }
    ServiceResponse::new(req, handled).map_into_right_body()
}

/// Whether an answer may have several of this header, all of which count.
fn is_a_list(name: &HeaderName) -> bool {
    name == SET_COOKIE || name == VARY
}

/// Adds `Vary`, the CSRF cookie and the messages' cookie to the answer of the service inside.
fn add_headers(headers: &mut HeaderMap, visit: Option<&Visit>, messages: &CookieChange) {
    vary_on_cookie(headers);
    if let Some(Visit { context, csrf, session, .. }) = visit {
        messages::send(messages, headers, context.site.settings());
        csrf.send(headers, context.site.settings());
        if let Err(error) = csrf.store(session) {
            tracing::error!(error = %error.chain(), "a CSRF secret cannot be kept in the session");
        }
    }
}
