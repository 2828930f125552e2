//! The CSRF check beside a running Django, and what only a gate has to keep.

mod bodies;
mod differential;
mod gates;
mod in_session;
mod log;
mod requests;
