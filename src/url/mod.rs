//! URLs as Python and Django read them. It is not a browser's parser, because Django's result counts.

mod category;
mod parts;
mod safe;

pub(crate) use parts::UrlParts;
pub(crate) use safe::strip;
pub use safe::url_has_allowed_host_and_scheme;
