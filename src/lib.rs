// The README's links lead to files in a checkout; here, to pages of the documentation. Of two definitions
// the first one counts.
//! [start]: guide::start
//! [move one endpoint]: guide::move_one_endpoint
//! [forms]: guide::forms
//! [sessions]: guide::sessions
//! [who may]: guide::who_may
//! [live]: guide::live
//! [tenants]: guide::tenants
//! [testing]: guide::testing
//! [production]: guide::production
//! [rest]: guide::rest
//! [deployment]: guide::deployment
//! [go-gin]: guide::go_gin
//! [`login_required`]: DjangoSessionMiddleware::login_required
//! [`required`]: DjangoSessionMiddleware::required
//! [`optional`]: DjangoSessionMiddleware::optional
//! [`rest_framework`]: DjangoSessionMiddleware::rest_framework
//! [`permission_required`]: DjangoSessionMiddleware::permission_required
//! [`staff_required`]: DjangoSessionMiddleware::staff_required
//! [`after_get_user`]: DjangoSite::after_get_user
//! [`writes_sessions`]: DjangoSettings::writes_sessions
//! [`slide_at_most_every`]: DjangoSettings::slide_at_most_every
//! [`DjangoUser`]: DjangoUser
//! [`OptionalDjangoUser`]: OptionalDjangoUser
//! [`DjangoUserId`]: DjangoUserId
//! [`DjangoSession`]: DjangoSession
//! [`OptionalDjangoSession`]: OptionalDjangoSession
//! [`DjangoSessionMut`]: DjangoSessionMut
//! [`CsrfToken`]: CsrfToken
//! [`Messages`]: Messages
//! [messages]: guide::messages
//! [log in]: guide::log_in
//! [rules]: https://docs.rs/crate/actix-django-session/latest/source/docs/django-semantics.md
//! [benchmarks]: https://docs.rs/crate/actix-django-session/latest/source/benches/README.md
//! [examples]: https://docs.rs/crate/actix-django-session/latest/source/examples/
//! [script]: https://docs.rs/crate/actix-django-session/latest/source/src/settings/export_settings.py
//! [licence]: https://docs.rs/crate/actix-django-session/latest/source/LICENSE
//! [changelog]: https://docs.rs/crate/actix-django-session/latest/source/CHANGELOG.md
#![doc = include_str!("../README.md")]

mod auth;
mod crypto;
mod csrf;
mod database;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(doc, doctest))]
pub mod guide;
mod messages;
mod observe;
mod report;
mod rest;
mod session;
mod settings;
pub mod signing;
mod url;
mod web;

pub use auth::{DjangoSite, DjangoUser, RequestParts};
pub use error::{
    AuthenticationFailed, CsrfReason, CsrfTokenFault, DatabaseError, DecodeError, Error, FormError,
    NotLoggedIn, TokenMessage, Unavailable,
};
pub use messages::Message;
pub use observe::Event;
pub use report::CheckReport;
pub use session::{DjangoSession, Expiry, SessionData, SessionKey, SessionSigner};
pub use settings::{
    AuthenticationBackend, AuthenticationClass, DjangoSettings, ManyToMany, MessageLevel,
    MessageStorage, PasswordHasher, RestAuthentication, RestFramework, SessionAuthHash,
    SessionEngine, SimpleJwt, TableName, TokenAuthentication, TokenClass, UserModel,
};
pub use url::url_has_allowed_host_and_scheme;
#[doc(hidden)]
pub use web::DjangoSessionService;
pub use web::{
    CsrfToken, DjangoSessionMiddleware, DjangoSessionMut, DjangoUserId, Messages,
    OptionalDjangoSession, OptionalDjangoUser, RestAuth, RestScheme, test,
};
// Their types are part of the interface: use these to have the same versions.
pub use {deadpool_postgres, tokio_postgres};
