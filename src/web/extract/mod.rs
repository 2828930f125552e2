//! What a handler asks for in its arguments.

mod session;
mod user;
mod user_id;

pub use session::OptionalDjangoSession;
pub use user::OptionalDjangoUser;
pub use user_id::DjangoUserId;
