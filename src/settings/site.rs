//! What is known of the site that settings were exported from, and is no setting.

use super::{
    SecretKey, UserModel, exported::NotHonoured, fingerprint::Fingerprints, login_urls::LoginUrls,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(super) fingerprints: Fingerprints,
    pub(crate) django_version: String,
    pub(crate) sessions: SiteSessions,
    pub(super) user_model: UserModel,
    pub(super) login_urls: Option<LoginUrls>,
    pub(crate) not_honoured: Vec<NotHonoured>,
}

/// Of its session class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SiteSessions {
    /// How many characters a session key may have.
    pub(crate) key_length: Option<u32>,
    /// Columns beside Django's three.
    pub(crate) further_columns: Vec<String>,
    /// The key of a session in the cache, with `{session_key}` in the place of its own.
    pub(crate) cache_key: Option<String>,
}

impl Site {
    pub(super) fn fault_of_fallbacks(&self, keys: &[SecretKey]) -> Option<String> {
        self.fingerprints.fault_of_fallbacks(keys)
    }
}
