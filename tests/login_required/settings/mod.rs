//! Settings that come from Django: what `export_settings.py` prints on many sites, and whom the settings
//! let in that `DjangoSettings::from_json` makes of it.

mod differential;
mod export;
mod mistakes;
mod sites;
