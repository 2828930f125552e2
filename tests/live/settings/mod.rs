//! Settings that come from Django: what `export_settings.py` prints on many sites, and whom the settings
//! let in that `DjangoSettings::from_json` makes of it. And what start-up finds wrong.

mod check;
mod check_users;
mod differential;
mod export;
mod mistakes;
mod overrides;
mod powers;
mod requests;
mod sites;
