//! Facts about the exported site that are not settings.

use super::{
    SecretKey, UserModel, exported::NotHonoured, fingerprint::Fingerprints, login_urls::LoginUrls,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportedSite {
    pub(super) fingerprints: Fingerprints,
    pub(crate) django_version: String,
    pub(crate) sessions: SiteSessions,
    pub(super) user_model: UserModel,
    pub(super) login_urls: Option<LoginUrls>,
    pub(crate) not_honoured: Vec<NotHonoured>,
    /// The algorithms of Django's own hashers that need the feature `hashers`, if this build lacks it.
    pub(crate) hashers_without_feature: Vec<String>,
}

/// Facts about the site's session class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SiteSessions {
    /// The greatest number of characters in a session key.
    pub(crate) key_length: Option<u32>,
    /// Columns besides Django's three.
    pub(crate) further_columns: Vec<String>,
    /// The key of a session in Django's cache, with `{session_key}` as a placeholder.
    pub(crate) cache_key: Option<String>,
}

impl ExportedSite {
    pub(super) fn fault_of_fallbacks(&self, keys: &[SecretKey]) -> Option<String> {
        self.fingerprints.fault_of_fallbacks(keys)
    }
}
