//! The rules of `django.contrib.auth`: text and rows in, verdict out. Nothing here knows a `DjangoSite`.

pub(crate) mod hashers;
mod session_auth_keys;
mod user;

pub(crate) use session_auth_keys::SessionAuthKeys;
pub use user::DjangoUser;
pub(crate) use user::{AfterHasPerm, PermissionPolicy};
