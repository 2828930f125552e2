//! Tests of the crate on real sockets, with a real PostgreSQL and a running Django.
//!
//! Each module has one subject. Where Django defines a behaviour, the expected values come from Django:
//! an `Oracle` is a Django process that answers questions. Random cases have a fixed seed; `TEST_SEED`
//! sets another one.

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
