//! From the redirect to the login page over the password to the new session, and out again.

mod authenticate;
mod journey;
mod log_in;
mod next;
#[cfg(feature = "hashers")]
mod passwords;
mod redirects;
pub(crate) mod vectors;
