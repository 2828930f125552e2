//! Settings that come from Django: what `export_settings.py` prints on many sites, which users the
//! settings from `DjangoSettings::from_json` let in, and which mistakes are found at start.

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
