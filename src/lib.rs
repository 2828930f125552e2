#![doc = include_str!("../README.md")]

mod auth;
mod crypto;
mod csrf;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod observe;
mod report;
mod session;
mod settings;
pub mod signing;
mod store;
mod web;

pub use auth::{DjangoUser, SessionStore};
// Their types are part of the interface: use these to have the same versions.
pub use error::{
    CsrfReason, CsrfTokenFault, DecodeError, Error, FormError, NotLoggedIn, Unavailable,
};
pub use observe::Event;
pub use report::CheckReport;
pub use session::{DjangoSession, Expiry, SessionData, SessionKey, SessionSigner};
pub use settings::{
    AuthenticationBackend, DjangoSettings, ManyToMany, PasswordHasher, SessionAuthHash,
    SessionEngine, TableName, UserModel,
};
#[doc(hidden)]
pub use web::DjangoSessionService;
pub use web::{
    CsrfToken, DjangoSessionMiddleware, DjangoSessionMut, DjangoUserId, OptionalDjangoSession,
    OptionalDjangoUser, test,
};
pub use {deadpool_postgres, tokio_postgres};
