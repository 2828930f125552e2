//! URLs as Python and Django read them: no parser of browsers' URLs, for it is Django's answer that
//! counts.

mod category;
mod parts;
mod safe;

pub(crate) use parts::UrlParts;
pub(crate) use safe::strip;
pub use safe::url_has_allowed_host_and_scheme;
