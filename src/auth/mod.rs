//! The rules of `django.contrib.auth`: text and rows in, verdict out. Nothing here knows a `DjangoSite`.

mod backends;
pub(crate) mod hashers;
mod hashing;
mod login;
mod session_auth_keys;
mod user;

pub(crate) use backends::{
    admits, backend_in, backend_of_login, password_backends, require_reading_backend,
};
pub(crate) use hashing::HASHING;
pub(crate) use login::Login;
pub(crate) use session_auth_keys::{SessionAuthKeys, hash_in};
pub use user::DjangoUser;
pub(crate) use user::{AfterHasPerm, PermissionPolicy};

/// `BACKEND_SESSION_KEY` of `django.contrib.auth`.
pub(crate) const BACKEND: &str = "_auth_user_backend";
/// `HASH_SESSION_KEY` of `django.contrib.auth`.
pub(crate) const HASH: &str = "_auth_user_hash";
