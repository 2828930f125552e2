//! The authentication of the REST framework, without HTTP and SQL: text in, verdict out.
//!
//! Each scheme reads a header and answers one of three: `Ok(None)`, the request does not ask for this
//! scheme, and the next one is asked; `Ok(Some(..))`, a credential to be looked up; `Err(..)`, it is
//! refused, and nobody else is asked, whatever the view permits. A refused credential never falls through.

mod basic;
mod claims;
mod header;
mod jws;
mod jwt;
mod keys;
mod token;
mod verified;

pub(crate) use basic::Credentials;
pub(crate) use claims::Claims;
pub(crate) use jwt::Jwt;
pub(crate) use token::read as read_token;
