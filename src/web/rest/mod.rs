//! Requests that are authenticated as in the REST framework.

mod answer;
mod auth;
mod authenticate;
mod classes;
mod permission;
mod session;

pub(crate) use answer::RestAnswer;
pub use auth::{RestAuth, RestScheme};
pub(crate) use authenticate::{IncomingSession, Recognised, Request};
pub(crate) use classes::{Authenticator, Classes};
pub(crate) use permission::{HasPermission, Permission, Rest};
