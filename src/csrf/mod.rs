//! The check that a request was meant by the visitor: `django.middleware.csrf`, without HTTP.
//!
//! Text goes in, a verdict with Django's own reason comes out. A [`CsrfCheck`] is made once of the
//! settings; [`CsrfCheck::page`] judges where a request comes from, [`Secret`] holds what the
//! cookie holds, and [`form`] finds the field in a body.

mod check;
mod domain;
pub(crate) mod form;
mod origin;
mod provenance;
mod referer;
mod token;
#[cfg(test)]
pub(crate) mod vectors;

pub(crate) use check::CsrfCheck;
pub(crate) use domain::is_same_domain;
pub(crate) use provenance::Provenance;
pub(crate) use token::Secret;
