//! The crate on real sockets, against a real PostgreSQL and a running Django.
//!
//! Expected values come from Django where it has an opinion: a `Judge` is a Django process that
//! answers questions. Random cases have a fixed seed; `TEST_SEED` sets another one.

#![allow(clippy::unwrap_used)] // a test may

mod app;
mod beds;
mod check;
mod cookie_headers;
mod csrf;
mod differential;
mod events;
mod log;
mod login_journey;
mod no_secrets;
#[cfg(feature = "hashers")]
mod passwords;
mod redirects;
mod rust_to_django;
mod session_vectors;
mod who_gets_what;
mod whoami;
