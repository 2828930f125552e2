// The README's links lead to files in a checkout; here, to pages of the documentation. Of two definitions
// the first one counts. docs/request.md is docs/request.svg as a link: tests/guide.rs says how to make it.
//! [start]: guide::start
//! [move one endpoint]: guide::move_one_endpoint
//! [Who may]: guide::who_may
//! [differences]: guide::differences
//! [script]: https://docs.rs/crate/actix-django-session/latest/source/src/settings/export_settings.py
//! [examples]: https://docs.rs/crate/actix-django-session/latest/source/examples/
//! [benchmarks]: https://docs.rs/crate/actix-django-session/latest/source/benches/README.md
//! [security]: https://docs.rs/crate/actix-django-session/latest/source/.github/SECURITY.md
//! [changelog]: https://docs.rs/crate/actix-django-session/latest/source/CHANGELOG.md
#![doc = include_str!("../docs/request.md")]
#![doc = include_str!("../README.md")]
// docs.rs builds with nightly Rust and marks what needs a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Pictures of the demo are in no package.
//! <style>picture { display: none }</style>

mod auth;
mod backend;
mod crypto;
mod csrf;
mod database;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(doc, doctest))]
pub mod guide;
mod memory;
mod messages;
mod observe;
mod report;
mod rest;
mod room;
mod session;
mod settings;
pub mod signing;
mod site;
mod url;
mod web;

pub use auth::DjangoUser;
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
    MessageStorage, ParentModel, PasswordHasher, PermissionTables, RestAuthentication,
    RestFramework, SecretKey, SessionAuthHash, SessionEngine, SimpleJwt, TableName,
    TokenAuthentication, TokenClass, UserModel,
};
pub use site::{DjangoSite, RequestParts};
pub use url::url_has_allowed_host_and_scheme;
#[doc(hidden)]
pub use web::DjangoSessionService;
pub use web::{
    CsrfToken, DjangoSessionMiddleware, DjangoSessionMut, DjangoUserId, Messages,
    OptionalDjangoSession, OptionalDjangoUser, RestAuth, RestScheme, test,
};
// Their types are part of the interface: use these to have the same versions.
pub use {deadpool_postgres, tokio_postgres};
