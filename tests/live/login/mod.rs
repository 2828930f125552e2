//! Login and logout: the redirect to the login page, the password, the new session and its end.

mod authenticate;
mod journey;
mod log_in;
mod next;
#[cfg(feature = "hashers")]
mod passwords;
mod redirects;
pub(crate) mod vectors;
