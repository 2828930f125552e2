//! Sessions that change, beside a running Django: what it would have stored and sent.

mod answers;
mod cached_db;
mod constraints;
mod cookies;
mod differential;
mod engines;
mod expired;
mod handler_errors;
mod handles;
mod hashes;
mod interleavings;
mod nested;
mod no_secrets;
pub(crate) mod operations;
mod races;
mod sliding;
mod tables;
mod vectors;
