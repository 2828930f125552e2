//! The settings of a cookie that Django sends.

use super::DjangoSettings;

/// The settings `SESSION_COOKIE_NAME`, `SESSION_COOKIE_DOMAIN` and so on, or those of the CSRF
/// cookie. The age is not among them: the two cookies treat it differently.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CookieSettings<'a> {
    pub(crate) name: &'a str,
    pub(crate) domain: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) samesite: Option<&'a str>,
    pub(crate) secure: bool,
    pub(crate) httponly: bool,
}

impl DjangoSettings {
    pub(crate) fn session_cookie(&self) -> CookieSettings<'_> {
        CookieSettings {
            name: &self.session_cookie_name,
            domain: self.session_cookie_domain.as_deref(),
            path: self.session_cookie_path.as_deref(),
            samesite: self.session_cookie_samesite.as_deref(),
            secure: self.session_cookie_secure,
            httponly: self.session_cookie_httponly,
        }
    }

    pub(crate) fn csrf_cookie(&self) -> CookieSettings<'_> {
        CookieSettings {
            name: &self.csrf_cookie_name,
            domain: self.csrf_cookie_domain.as_deref(),
            path: self.csrf_cookie_path.as_deref(),
            samesite: self.csrf_cookie_samesite.as_deref(),
            secure: self.csrf_cookie_secure,
            httponly: self.csrf_cookie_httponly,
        }
    }
}

impl CookieSettings<'_> {
    /// The settings over which Django would fail at the first response, in words that follow the
    /// prefix.
    pub(super) fn faults(&self) -> impl Iterator<Item = &'static str> {
        [
            (is_cookie_name(self.name), "COOKIE_NAME is not the name of a cookie"),
            (
                self.domain.is_none_or(is_attribute),
                "COOKIE_DOMAIN is not a domain that a cookie can have",
            ),
            (
                self.path.is_none_or(is_attribute),
                "COOKIE_PATH is not a path that a cookie can have",
            ),
            (
                self.samesite.is_none_or(is_samesite),
                "COOKIE_SAMESITE must be \"Lax\", \"Strict\", \"None\" or not set",
            ),
        ]
        .into_iter()
        .filter_map(|(is_sound, fault)| (!is_sound).then_some(fault))
    }
}

/// Whether Python's `http.cookies` would write a cookie of this name (rule C25).
fn is_cookie_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte);
    !name.is_empty() && name.bytes().all(is_legal)
}

/// Whether an attribute of a cookie can have this value.
fn is_attribute(text: &str) -> bool {
    !text.contains(|c: char| c == ';' || !(' '..='~').contains(&c)) && text.trim() == text
}

fn is_samesite(text: &str) -> bool {
    text.is_empty() || ["lax", "strict", "none"].iter().any(|one| text.eq_ignore_ascii_case(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_django_could_not_send_is_refused() {
        let of = |change: fn(&mut DjangoSettings)| {
            let mut settings = DjangoSettings::new("k");
            change(&mut settings);
            settings.validate().err().map(|error| error.to_string()).unwrap_or_default()
        };
        for (refused, named) in [
            (of(|s| s.session_cookie_name = "a b".into()), "SESSION_COOKIE_NAME"),
            (of(|s| s.session_cookie_samesite = Some("bogus".into())), "SESSION_COOKIE_SAMESITE"),
            (of(|s| s.session_cookie_path = Some("/; Domain=x".into())), "SESSION_COOKIE_PATH"),
            (of(|s| s.session_cookie_domain = Some("a\r\nb".into())), "SESSION_COOKIE_DOMAIN"),
            (of(|s| s.csrf_cookie_name = String::new()), "CSRF_COOKIE_NAME"),
            (of(|s| s.csrf_cookie_name = "a;b".into()), "CSRF_COOKIE_NAME"),
            (of(|s| s.csrf_cookie_name = "a=b".into()), "CSRF_COOKIE_NAME"),
            (of(|s| s.csrf_cookie_name = "\u{e9}".into()), "CSRF_COOKIE_NAME"),
            (of(|s| s.csrf_cookie_samesite = Some("bogus".into())), "CSRF_COOKIE_SAMESITE"),
            (of(|s| s.csrf_cookie_path = Some("/\n".into())), "CSRF_COOKIE_PATH"),
            (of(|s| s.csrf_cookie_domain = Some("a;b".into())), "CSRF_COOKIE_DOMAIN"),
        ] {
            assert!(refused.contains(named), "{named}: {refused}");
        }
        for sound in ["", "lax", "NONE", "Strict"] {
            let mut settings = DjangoSettings::new("k");
            settings.session_cookie_samesite = Some(sound.into());
            settings.csrf_cookie_samesite = Some(sound.into());
            assert!(settings.validate().is_ok(), "{sound}");
        }
        for none in [Some(""), None] {
            let mut settings = DjangoSettings::new("k");
            let none = || none.map(str::to_owned);
            (settings.session_cookie_domain, settings.session_cookie_path) = (none(), none());
            (settings.csrf_cookie_domain, settings.csrf_cookie_path) = (none(), none());
            settings.csrf_cookie_name = "__Host-csrf:token".into();
            assert!(settings.validate().is_ok());
        }
    }
}
