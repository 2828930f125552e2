//! What is known of the site that settings were exported from, and is no setting.

use super::{
    DjangoSettings,
    exported::{NotHonoured, Power},
    fingerprint::Fingerprints,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(super) fingerprints: Fingerprints,
    pub(crate) django_version: String,
    pub(crate) sessions: SiteSessions,
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
    /// Takes responsibility for something that the site does in its own way and the exported settings
    /// name: a method (`"shop.models.User.check_password"`), or all that a class overrides
    /// (`"shop.models.User"`). Say it of what makes no difference here, such as a method that only
    /// writes to the log, or of what your own code does by other means.
    ///
    /// Without it, what the method is about is an [`ImproperlyConfigured`] here, where somebody
    /// might be let in whom Django refuses and no hook does what the method does.
    ///
    /// [`ImproperlyConfigured`]: crate::Error::ImproperlyConfigured
    ///
    /// ```
    /// # use actix_django_session::DjangoSettings;
    /// # fn f(settings: DjangoSettings) -> DjangoSettings {
    /// // class User(AbstractUser):
    /// //     def check_password(self, raw_password):
    /// //         logger.info("somebody tries the password of %s", self.pk)
    /// //         return super().check_password(raw_password)
    /// settings.accept_override("shop.models.User.check_password")
    /// # }
    /// ```
    pub fn accept_override(mut self, path: impl Into<String>) -> Self {
        self.accepted_overrides.push(path.into());
        self
    }

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
    pub(super) fn fault_of_fallbacks(&self, keys: &[Vec<u8>]) -> Option<String> {
        self.fingerprints.fault_of_fallbacks(keys)
    }
}
