//! Sessions that change, beside a running Django: what it would have stored and sent.

#![allow(clippy::unwrap_used)] // a test may

mod answers;
#[allow(dead_code)]
#[path = "../integration/app.rs"]
mod app;
#[allow(dead_code)]
#[path = "../integration/beds.rs"]
mod beds;
mod cached_db;
mod constraints;
mod differential;
mod engines;
mod hashes;
mod interleavings;
#[allow(dead_code)]
#[path = "../integration/log.rs"]
mod log;
mod log_in;
mod log_in_vectors;
mod nested;
mod no_secrets;
mod operations;
mod outages;
mod races;
mod sliding;
mod vectors;
