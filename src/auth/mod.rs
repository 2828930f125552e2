//! Users, passwords, permissions and login: `django.contrib.auth`.

mod after_has_perm;
mod authenticate;
mod find_user;
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
mod session_store;
mod site;
mod startup_check;
mod user;
mod writer;

pub(crate) use get_user::{BACKEND, Visitor};
pub use request_parts::RequestParts;
pub(crate) use session_auth_hash::HASH;
pub(crate) use session_store::RowNow;
pub use site::DjangoSite;
pub use user::DjangoUser;
