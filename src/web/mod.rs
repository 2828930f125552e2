//! The only place that knows actix.

mod cookie;
mod extract;
mod login;
mod middleware;
mod redirect;
pub mod test;
mod vary;
mod visit;

#[cfg(fuzzing)]
pub(crate) use cookie::last_cookie;
pub use extract::{DjangoUserId, OptionalDjangoSession, OptionalDjangoUser};
pub use middleware::{DjangoSessionMiddleware, DjangoSessionService};
#[cfg(fuzzing)]
pub(crate) use redirect::LoginUrl;
