//! The CSRF check compared with a running Django, and rules that only a middleware can keep.

mod bodies;
mod differential;
mod in_session;
mod log;
mod middleware;
mod requests;
mod slow;
mod uploads;
