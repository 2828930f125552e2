//! The extractors: arguments of handlers.

mod csrf_token;
mod log_in;
mod messages;
mod session;
mod session_mut;
mod site;
mod user;
mod user_id;

pub use csrf_token::CsrfToken;
pub use messages::Messages;
pub use session::OptionalDjangoSession;
pub use session_mut::DjangoSessionMut;
pub use user::OptionalDjangoUser;
pub use user_id::DjangoUserId;
