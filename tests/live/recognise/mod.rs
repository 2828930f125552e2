//! The session middlewares: which visitor Django would see behind the same cookie, and what it costs
//! to say so.

mod cookie_headers;
mod differential;
mod events;
mod no_secrets;
mod plans;
mod rust_to_django;
mod vectors;
mod who_gets_what;
mod whoami;
