//! The authentication of the REST framework, without HTTP and SQL: it takes text and returns a
//! verdict.
//!
//! Each scheme reads a header and returns one of three results. `Ok(None)`: the request does not
//! use this scheme, and the next scheme is tried. `Ok(Some(..))`: a credential to look up.
//! `Err(..)`: the credential is refused. No other scheme is tried then, whatever the view permits.

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
