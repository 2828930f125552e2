//! The full check: `login_required` and its extractors let in exactly those whom Django would.
//!
//! Everything runs on a real PostgreSQL, and what is right says a `Judge`: a Django process that
//! answers questions. Random cases have a fixed seed; `TEST_SEED` sets another one.

#![allow(clippy::unwrap_used)] // a test may

mod app;
mod authenticate;
mod beds;
mod check;
mod differences;
mod differential;
mod examples;
mod hints;
mod hooks;
mod live;
#[path = "../integration/log.rs"]
#[allow(dead_code)] // what the other test binary needs
mod log;
mod middleware;
mod nested;
mod outages;
mod promises;
mod proxy;
mod queries;
mod sessions;
mod settings;
mod user_models;
