//! What is known of the site that settings were exported from, and is no setting.

use super::{
    DjangoSettings, SecretKey, UserModel,
    exported::{NotHonoured, Power},
    fingerprint::Fingerprints,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(super) fingerprints: Fingerprints,
    pub(crate) django_version: String,
    pub(crate) sessions: SiteSessions,
    pub(super) user_model: UserModel,
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

impl DjangoSettings {
    /// What the site does in its own way, but for what was accepted.
    pub(crate) fn not_honoured(&self) -> impl Iterator<Item = &NotHonoured> {
        let all = self.site.iter().flat_map(|site| &site.not_honoured);
        all.filter(|each| !self.is_accepted(each))
    }

    /// What switches this power off, unless a hook does it.
    pub(crate) fn overrides_of(&self, power: Power) -> impl Iterator<Item = &NotHonoured> {
        self.not_honoured().filter(move |each| each.power == Some(power))
    }

    fn is_accepted(&self, each: &NotHonoured) -> bool {
        let is_accepted = |path: &str| {
            let paths = self.accepted_overrides.iter();
            let mut rest = paths.filter_map(|accepted| path.strip_prefix(accepted.as_str()));
            rest.any(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        !self.accepted_overrides.is_empty() && each.value.split(", ").all(is_accepted)
    }
}

impl Site {
    pub(super) fn fault_of_fallbacks(&self, keys: &[SecretKey]) -> Option<String> {
        self.fingerprints.fault_of_fallbacks(keys)
    }
}
