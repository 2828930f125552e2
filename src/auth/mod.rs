//! Users and permissions: `django.contrib.auth`, as far as reading goes.

mod after_has_perm;
mod authenticate;
mod check;
mod get_user;
mod hashers;
mod hooks;
mod login;
mod passwords;
mod request_parts;
mod rest;
mod session_auth_hash;
mod session_auth_keys;
mod session_columns;
mod sessions;
mod site;
mod user;
mod users;
mod writer;

pub(crate) use get_user::{BACKEND, Visitor};
pub use request_parts::RequestParts;
pub(crate) use session_auth_hash::HASH;
pub(crate) use sessions::RowNow;
pub use site::DjangoSite;
pub use user::DjangoUser;
