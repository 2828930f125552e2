//! JSON as Python's `json` module writes and reads it.

mod nesting;
mod read;
mod scanner;
mod string;
mod write;

pub use write::to_json;

pub(crate) use read::{Member, TopLevel, scan};
pub(crate) use string::{unescape, unescape_to_str};

pub(crate) use write::to_ascii;

use super::Error;

/// Whether `json.loads` would accept the text.
pub(super) fn validate(text: &str) -> Result<(), Error> {
    scan(text, |_| {}).map(drop)
}
