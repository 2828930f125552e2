//! The CSRF check beside a running Django, and what only a middleware has to keep.

mod bodies;
mod differential;
mod in_session;
mod log;
mod middleware;
mod requests;
mod slow;
mod uploads;
