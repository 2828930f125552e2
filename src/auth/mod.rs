//! Users and permissions: `django.contrib.auth`, as far as reading goes.

mod authenticate;
mod check;
mod get_user;
mod hashers;
mod hooks;
mod login;
mod passwords;
mod session_auth_hash;
mod session_auth_keys;
mod sessions;
mod site;
mod test_user;
mod user;
mod users;
mod writer;

pub(crate) use get_user::BACKEND;
pub(crate) use login::Login;
pub(crate) use session_auth_hash::HASH;
pub(crate) use sessions::RowNow;
pub use site::DjangoSite;
pub use test_user::TestUser;
pub use user::DjangoUser;
