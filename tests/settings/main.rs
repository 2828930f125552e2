//! Settings that come from Django: what `export_settings.py` prints on many sites, what
//! `DjangoSettings::from_json` makes of it, and what `SessionStore::check` says when one is wrong.

#![allow(clippy::unwrap_used)] // a test may

mod export;
mod sites;
