//! The crate on real sockets, against a real PostgreSQL and a running Django.
//!
//! One module a subject. Expected values come from Django where it has an opinion: a `Judge` is a
//! Django process that answers questions. Random cases have a fixed seed; `TEST_SEED` sets another one.

#![allow(clippy::unwrap_used)] // a test may

mod app;
mod beds;
mod probe;

mod csrf;
mod deployment;
mod guide;
mod handlers;
mod login;
mod login_required;
mod memory;
mod messages;
mod outages;
mod packages;
mod recognise;
mod rest;
mod sessions;
mod settings;
