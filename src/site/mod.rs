//! [`DjangoSite`], the handle of a Django site: it asks the tables, applies the rules of `auth`, and calls
//! the hooks of the application. A hook gets a `DjangoSite`, so whatever calls one stands here.

mod after_has_perm;
mod authenticate;
mod django_site;
mod find_user;
mod get_user;
mod hooks;
mod login;
mod passwords;
mod request_parts;
mod rest;
mod session_auth_hash;
mod session_columns;
mod session_store;
mod startup_check;
mod writer;

pub use django_site::DjangoSite;
pub(crate) use get_user::Visitor;
pub use request_parts::RequestParts;
pub(crate) use session_store::RowNow;
