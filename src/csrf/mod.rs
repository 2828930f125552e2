//! The check that the visitor meant a request: `django.middleware.csrf` without HTTP.
//!
//! It takes text and returns a verdict with Django's own reason. A [`CsrfCheck`] is created once
//! from the settings. [`CsrfCheck::page`] checks where a request comes from, [`Secret`] is the
//! value of the cookie, and [`form`] finds the field in a body.

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
