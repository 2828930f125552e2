//! Middleware, extractors and cookies: the only module that uses actix.

mod admission;
mod admitted;
mod body;
mod buffered_form;
mod cookie_header;
mod csrf_check;
#[cfg(test)]
mod csrf_vectors;
mod extract;
mod form_config;
mod form_reader;
mod host;
mod language;
mod messages;
mod middleware;
mod next;
mod redirect;
mod rejection;
mod request;
mod request_parts;
mod request_session;
mod rest;
mod rest_framework;
mod service;
mod session_cookie;
mod set_cookie;
mod spool;
pub mod test;
mod vary;

#[cfg(fuzzing)]
pub(crate) use cookie_header::last_cookie;
pub use extract::{
    CsrfToken, DjangoSessionMut, DjangoUserId, Messages, OptionalDjangoSession, OptionalDjangoUser,
};
pub use middleware::DjangoSessionMiddleware;
#[cfg(fuzzing)]
pub(crate) use redirect::LoginUrl;
pub use rest::{RestAuth, RestScheme};
pub use service::DjangoSessionService;
