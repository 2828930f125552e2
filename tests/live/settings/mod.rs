//! Settings that come from Django: what `export_settings.py` prints on many sites, and whom the settings
//! let in that `DjangoSettings::from_json` makes of it. And what start-up finds wrong.

pub(crate) mod check;
mod check_users;
mod differential;
mod export;
mod languages;
mod mistakes;
mod overrides;
mod powers;
mod requests;
mod sites;
