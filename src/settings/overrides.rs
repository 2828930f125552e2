//! What the site overrides, and which overrides the service accepted.

use super::{DjangoSettings, LoginUrls, NotHonoured, Power};

impl DjangoSettings {
    /// What the site overrides, without the accepted overrides.
    pub(crate) fn not_honoured(&self) -> impl Iterator<Item = &NotHonoured> {
        let all = self.site.iter().flat_map(|site| &site.not_honoured);
        all.filter(|each| !self.is_accepted(each))
    }

    /// The overrides that switch this power off, unless a hook does it.
    pub(crate) fn overrides_of(&self, power: Power) -> impl Iterator<Item = &NotHonoured> {
        self.not_honoured().filter(move |each| each.power == Some(power))
    }

    /// The exported `LOGIN_URL` by language, unless the service has set another URL.
    pub(crate) fn login_urls(&self) -> Option<&LoginUrls> {
        let urls = self.site.as_ref()?.login_urls.as_ref()?;
        (urls.in_default_language() == self.login_url).then_some(urls)
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
