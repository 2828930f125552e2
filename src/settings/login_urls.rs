//! `LOGIN_URL` of a site in several languages, and what its `LocaleMiddleware` needs to choose one.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Where `LOGIN_URL` leads, by the language of the request.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginUrls {
    /// `LANGUAGE_CODE`
    language_code: String,
    /// `LANGUAGE_COOKIE_NAME`
    pub(crate) language_cookie_name: String,
    /// Whether the path of a page can name its language: the site uses `i18n_patterns`.
    pub(crate) checks_path: bool,
    /// The argument `prefix_default_language` of `i18n_patterns`.
    pub(crate) prefixes_default: bool,
    url_of_language_code: String,
    /// `LANGUAGES`, in the same order.
    languages: Vec<Language>,
    /// The fallback languages that `LANG_INFO` names.
    fallbacks: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Language {
    code: String,
    url: String,
    /// `check_for_language`
    has_catalog: bool,
}

impl LoginUrls {
    /// The URL in this language, found as `get_supported_language_variant` of
    /// `django.utils.translation` finds it. `None` if the site has neither the language nor a
    /// variant of it.
    pub(crate) fn in_language(&self, code: &str) -> Option<&str> {
        let stripped = code.rmatch_indices('-').map(|(end, _)| &code[..end]);
        let fallbacks = self.fallbacks.get(code).into_iter().flatten().map(String::as_str);
        let generic = code.split('-').next().unwrap_or(code);
        let mut possible = std::iter::once(code).chain(fallbacks).chain(stripped);
        let known = possible.find_map(|code| {
            // Once: a visitor's code may have hundreds of parts, and a site a hundred languages.
            let code = code.to_lowercase();
            let mut languages = self.languages.iter().filter(|language| language.has_catalog);
            languages.find(|language| language.code == code)
        });
        let of_country = || {
            let mut languages = self.languages.iter();
            languages.find(|language| {
                let rest = language.code.strip_prefix(generic);
                rest.is_some_and(|rest| rest.starts_with('-'))
            })
        };
        known.or_else(of_country).map(|language| language.url.as_str())
    }

    /// The URL in `LANGUAGE_CODE`, as the settings give it.
    pub(crate) fn in_language_code(&self) -> &str {
        &self.url_of_language_code
    }

    /// The URL for a visitor who asks for no language of the site.
    pub(crate) fn in_default_language(&self) -> &str {
        self.in_language(&self.language_code).unwrap_or(&self.url_of_language_code)
    }
}
