//! Users and permissions: `django.contrib.auth`, as far as reading goes.

mod get_user;
mod hints;
mod test_user;
mod user;

pub(crate) use hints::UserHints;
pub use test_user::TestUser;
pub use user::DjangoUser;
