//! Changes of sessions, compared with the rows and cookies of a running Django.

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
mod interleaving_vectors;
mod interleavings;
mod locks;
mod nested;
mod no_secrets;
pub(crate) mod operations;
mod races;
mod signed_cookie_vectors;
mod sliding;
mod tables;
mod vectors;
