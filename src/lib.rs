//! actix-web middleware and typed extractors that recognise the visitor whom a Django site logged in.

mod error;
mod session;
mod settings;
pub mod signing;
mod store;
mod web;

pub use error::{DecodeError, Error, Unavailable};
pub use session::{DjangoSession, SessionData, SessionKey, SessionSigner};
pub use settings::{DjangoSettings, TableName};
pub use store::SessionStore;
#[doc(hidden)]
pub use web::DjangoSessionService;
pub use web::{DjangoSessionMiddleware, DjangoUserId, OptionalDjangoSession, test};
