//! The CSRF check itself, in Django's order.

use super::{origin::TrustedOrigins, provenance::Provenance, referer, token::Secret};
use crate::{
    error::{CsrfReason, CsrfTokenFault},
    settings::DjangoSettings,
};

/// The check of `CsrfViewMiddleware`, with the settings that it needs.
pub(crate) struct CsrfCheck {
    trusted: TrustedOrigins,
    cookie_domain: Option<String>,
    /// The name of the header, as Django writes it.
    header: String,
}

impl CsrfCheck {
    pub(crate) fn new(settings: &DjangoSettings) -> Self {
        let cookie_domain = match settings.csrf_use_sessions {
            true => settings.session_cookie_domain.clone(),
            false => settings.csrf_cookie_domain.clone(),
        };
        Self {
            trusted: TrustedOrigins::new(&settings.csrf_trusted_origins),
            cookie_domain,
            header: python_title(&settings.csrf_header_name),
        }
    }

    /// Whether the page that sent the request can send forms here: by its `Origin`, or under HTTPS
    /// by its `Referer`.
    pub(crate) fn page(&self, from: &Provenance<'_>) -> Result<(), CsrfReason> {
        match (&from.origin, from.is_secure) {
            (Some(_), _) => self.origin(from),
            (None, true) => referer::check(from, &self.trusted, self.cookie_domain.as_deref()),
            (None, false) => Ok(()),
        }
    }

    /// `_origin_verified`; accepts a request without `Origin`.
    pub(crate) fn origin(&self, from: &Provenance<'_>) -> Result<(), CsrfReason> {
        let Some(origin) = from.origin.as_deref() else { return Ok(()) };
        if from.own_origin().is_some_and(|own| own == origin) || self.trusted.has_origin(origin) {
            return Ok(());
        }
        Err(CsrfReason::BadOrigin(origin.to_owned()))
    }

    /// Whether the token belongs to this secret. If the form has a token that is not empty, the
    /// header is not read.
    pub(crate) fn token(
        &self,
        secret: &Secret,
        form: Option<&str>,
        header: Option<&str>,
    ) -> Result<(), CsrfReason> {
        if let Some(token) = form.filter(|token| !token.is_empty()) {
            return secret.matches(token).map_err(CsrfReason::BadFormToken);
        }
        let token = header.ok_or(CsrfReason::TokenMissing)?;
        let bad = |fault: CsrfTokenFault| CsrfReason::BadHeaderToken {
            header: self.header.clone(),
            fault,
        };
        secret.matches(token).map_err(bad)
    }

    /// The origin or referer that would have been accepted, for the log.
    pub(crate) fn expected(&self, from: &Provenance<'_>, reason: &CsrfReason) -> Option<String> {
        let own = match reason {
            CsrfReason::BadOrigin(_) => from.own_origin(),
            CsrfReason::NoReferer
            | CsrfReason::MalformedReferer
            | CsrfReason::InsecureReferer
            | CsrfReason::BadReferer(_) => {
                let host = referer::good_host(from, self.cookie_domain.as_deref());
                host.map(|host| format!("https://{host}/"))
            }
            _ => return None,
        };
        Some(own.unwrap_or_else(|| "the host of this request is not in ALLOWED_HOSTS".into()))
    }
}

/// Python's `str.title()`: a letter after another letter becomes lower-case, any other letter
/// becomes upper-case (rule C16).
fn python_title(name: &str) -> String {
    let mut behind_letter = false;
    let letter = |c: char| {
        let c = if behind_letter { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
        behind_letter = c.is_ascii_alphabetic();
        c
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::Value;

    use super::*;
    use crate::csrf::vectors::{expect, header, of_kind, text};

    #[test]
    fn tokens_match_as_in_django() {
        let mut seen = 0;
        for vector in of_kind("match") {
            let check = CsrfCheck::new(&DjangoSettings::new("k"));
            let cookie = vector["cookie"].as_str().ok_or(CsrfReason::NoCookie);
            let verdict = cookie
                .and_then(|cookie| Secret::read(cookie).map_err(CsrfReason::BadCookie))
                .and_then(|secret| check.token(&secret, None, vector["token"].as_str()));
            let verdict = verdict.map_or_else(|reason| reason.to_string(), |()| "ok".into());
            assert_eq!(verdict, expect(&vector), "{vector}");
            seen += 1;
        }
        assert_eq!(seen, 42);
    }

    #[test]
    fn header_names_are_written_as_django_writes_them() {
        let (mut seen, mut left_out) = (0, 0);
        for vector in of_kind("header_name") {
            let Some(name) = text(&vector, "setting").strip_prefix("HTTP_") else {
                // Here the setting has the header's HTTP name.
                left_out += 1;
                continue;
            };
            assert_eq!(python_title(&name.replace('_', "-")), expect(&vector), "{vector}");
            seen += 1;
        }
        assert_eq!((seen, left_out), (9, 3));
    }

    /// `web::host` determines port and host, and tests their vectors.
    fn from<'a>(vector: &Value, host: Option<&'a str>, port: &'a str) -> Provenance<'a> {
        Provenance {
            origin: header(vector, "Origin").map(Cow::Owned),
            referer: header(vector, "Referer").map(Cow::Owned),
            is_secure: vector["scheme"] == "https",
            host: host.map(Cow::Borrowed),
            port: Cow::Borrowed(port),
        }
    }

    #[test]
    fn what_a_browser_would_read_otherwise_is_no_subdomain() {
        let mut settings = DjangoSettings::new("k");
        settings.csrf_trusted_origins = vec!["https://*.example.com".into()];
        let check = CsrfCheck::new(&settings);
        let verdict = |origin: &str| {
            let from = Provenance {
                origin: Some(Cow::Borrowed(origin)),
                referer: None,
                is_secure: true,
                host: None,
                port: Cow::Borrowed("443"),
            };
            check.page(&from).is_ok()
        };
        assert!(verdict("https://example.com") && verdict("https://a.b.example.com"));
        for odd in
            ["evil.com\\", "evil.com,", "evil.com%2f", "evil.com ", "u:p@a", "a\t", "a\u{85}"]
        {
            assert!(!verdict(&format!("https://{odd}.example.com")), "{odd}");
        }
        assert!(!verdict("https://a.example.co\tm"));
    }

    #[test]
    fn the_log_says_what_was_expected() {
        let check = CsrfCheck::new(&DjangoSettings::new("k"));
        let vector = serde_json::json!({ "scheme": "https", "headers": [["Origin", "null"]] });
        let here = from(&vector, Some("example.com:8443"), "443");
        let reason = check.page(&here).unwrap_err();
        assert_eq!(check.expected(&here, &reason).unwrap(), "https://example.com:8443");
        let elsewhere = from(&vector, None, "443");
        assert!(check.expected(&elsewhere, &reason).unwrap().contains("ALLOWED_HOSTS"));
        assert_eq!(check.expected(&here, &CsrfReason::NoCookie), None);
    }
}
