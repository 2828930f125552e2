//! The session middlewares: they find the visitor whom Django finds for the same cookie. Also the cost of
//! each lookup.

mod cookie_headers;
mod differential;
mod events;
mod no_secrets;
mod plans;
mod rust_to_django;
mod vectors;
mod who_gets_what;
mod whoami;
