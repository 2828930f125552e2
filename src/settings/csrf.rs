//! The `CSRF_*` settings, `ALLOWED_HOSTS` and the limits of uploads.

use super::{DjangoSettings, cookie::CookieSettings};

/// What the CSRF check and `get_host()` go by, in Django's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CsrfSettings {
    pub(crate) cookie: CookieSettings,
    pub(crate) header_name: String,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) use_sessions: bool,
}

impl Default for CsrfSettings {
    fn default() -> Self {
        Self {
            cookie: CookieSettings {
                name: "csrftoken".into(),
                age: Some(60 * 60 * 24 * 7 * 52),
                domain: None,
                path: Some("/".into()),
                samesite: Some("Lax".into()),
                secure: false,
                httponly: false,
            },
            header_name: "X-CSRFToken".into(),
            trusted_origins: Vec::new(),
            use_sessions: false,
        }
    }
}

impl CsrfSettings {
    /// What cannot work, by the name of the setting.
    pub(super) fn fault(&self) -> Option<String> {
        if let Some(fault) = self.cookie.fault() {
            return Some(format!("CSRF_{fault}"));
        }
        if !super::is_header_name(&self.header_name) {
            return Some("CSRF_HEADER_NAME takes the HTTP name of a header: X-CSRFToken".into());
        }
        // Django's system check 4_0.E001: without a scheme it would never match (C15).
        self.trusted_origins.iter().find(|origin| !origin.contains("://")).map(|origin| {
            format!("CSRF_TRUSTED_ORIGINS must name a scheme, such as https://, in \"{origin}\"")
        })
    }
}

/// `DATA_UPLOAD_MAX_*`: what a form may hold, none being no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UploadLimits {
    /// In bytes, files apart.
    pub(crate) memory_size: Option<usize>,
    pub(crate) number_fields: Option<usize>,
    pub(crate) number_files: Option<usize>,
    /// Whether a form that is not multipart may be in another charset than UTF-8, as for Django 4.2.
    pub(crate) reads_charsets: bool,
}

impl UploadLimits {
    /// Django's default of `DATA_UPLOAD_MAX_MEMORY_SIZE`.
    pub(crate) const DEFAULT_MEMORY_SIZE: usize = 2_621_440;
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            memory_size: Some(Self::DEFAULT_MEMORY_SIZE),
            number_fields: Some(1000),
            number_files: Some(100),
            reads_charsets: false,
        }
    }
}

impl DjangoSettings {
    /// `CSRF_COOKIE_NAME`.
    ///
    /// Defaults to `csrftoken`.
    pub fn csrf_cookie_name(mut self, name: impl Into<String>) -> Self {
        self.csrf.cookie.name = name.into();
        self
    }

    /// `CSRF_COOKIE_AGE`: how long browsers keep the cookie, in seconds. `None` is until the
    /// browser is closed.
    ///
    /// Defaults to 31449600, 52 weeks.
    pub fn csrf_cookie_age(mut self, seconds: impl Into<Option<i64>>) -> Self {
        self.csrf.cookie.age = seconds.into();
        self
    }

    /// `CSRF_COOKIE_DOMAIN`. Under HTTPS it is also the domain from which a `Referer` is accepted,
    /// with subdomains if it starts with a dot.
    ///
    /// Defaults to none: the host that answers.
    pub fn csrf_cookie_domain<'a>(mut self, domain: impl Into<Option<&'a str>>) -> Self {
        self.csrf.cookie.domain = domain.into().map(Into::into);
        self
    }

    /// `CSRF_COOKIE_PATH`.
    ///
    /// Defaults to `/`.
    pub fn csrf_cookie_path<'a>(mut self, path: impl Into<Option<&'a str>>) -> Self {
        self.csrf.cookie.path = path.into().map(Into::into);
        self
    }

    /// `CSRF_COOKIE_SAMESITE`: `"Lax"`, `"Strict"`, `"None"`; `None` (or `False` in Django) leaves
    /// the attribute out.
    ///
    /// Defaults to `Lax`.
    pub fn csrf_cookie_samesite<'a>(mut self, samesite: impl Into<Option<&'a str>>) -> Self {
        self.csrf.cookie.samesite = samesite.into().map(Into::into);
        self
    }

    /// `CSRF_COOKIE_SECURE`: whether browsers send the cookie over HTTPS only.
    ///
    /// Defaults to `false`.
    pub fn csrf_cookie_secure(mut self, yes: bool) -> Self {
        self.csrf.cookie.secure = yes;
        self
    }

    /// `CSRF_COOKIE_HTTPONLY`: whether scripts cannot read the cookie.
    ///
    /// Defaults to `false`.
    pub fn csrf_cookie_httponly(mut self, yes: bool) -> Self {
        self.csrf.cookie.httponly = yes;
        self
    }

    /// `CSRF_HEADER_NAME`: the header that may carry the token, by its HTTP name (`X-CSRFToken`, not
    /// `HTTP_X_CSRFTOKEN`).
    ///
    /// Defaults to `X-CSRFToken`.
    pub fn csrf_header_name(mut self, name: impl Into<String>) -> Self {
        self.csrf.header_name = name.into();
        self
    }

    /// `CSRF_TRUSTED_ORIGINS`: other origins whose pages may send forms here, such as
    /// `https://www.example.com` or, with all its subdomains, `https://*.example.com`.
    ///
    /// Defaults to none.
    pub fn csrf_trusted_origins<I>(mut self, origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.csrf.trusted_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// `CSRF_USE_SESSIONS`: whether the secret is in the session and not in a cookie of its own.
    ///
    /// A `CsrfToken` then makes the secret, and the session, where there is none yet, as `get_token` does;
    /// that takes [`writes_sessions`](Self::writes_sessions). A service that only reads sessions checks
    /// tokens, and gives some of the secrets that are there; for a session without one, `CsrfToken` is
    /// a 500 whose log line names that setting.
    ///
    /// Defaults to `false`.
    pub fn csrf_use_sessions(mut self, yes: bool) -> Self {
        self.csrf.use_sessions = yes;
        self
    }

    /// `ALLOWED_HOSTS`: the hosts that this site is, without ports; `.example.com` is that domain and
    /// its subdomains, `*` is any. A form is accepted from a page of such a host; a request for
    /// another host is answered, but a browser's form on it is refused, and a stranger gets a 400 in place of
    /// the redirect to log in.
    ///
    /// Defaults to none, as in Django: then only [`csrf_trusted_origins`](Self::csrf_trusted_origins)
    /// may send forms. With `DEBUG`, Django takes none for `.localhost`, `127.0.0.1` and `[::1]`.
    pub fn allowed_hosts<I>(mut self, hosts: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.allowed_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// `USE_X_FORWARDED_PORT`: whether `X-Forwarded-Port` names the port of the request.
    ///
    /// Defaults to `false`.
    pub fn use_x_forwarded_port(mut self, yes: bool) -> Self {
        self.use_x_forwarded_port = yes;
        self
    }

    /// `DATA_UPLOAD_MAX_MEMORY_SIZE`: how many bytes of a form are looked at for the CSRF token, files
    /// apart. A larger form is answered with a 400. `None` is no limit, and then a client decides how
    /// much memory a form costs.
    ///
    /// Defaults to 2621440, 2.5 MiB.
    pub fn data_upload_max_memory_size(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.upload_limits.memory_size = bytes.into();
        self
    }

    /// `DATA_UPLOAD_MAX_NUMBER_FIELDS`: how many fields a form may have; more is a 400. `None` is no
    /// limit.
    ///
    /// Defaults to 1000.
    pub fn data_upload_max_number_fields(mut self, fields: impl Into<Option<usize>>) -> Self {
        self.upload_limits.number_fields = fields.into();
        self
    }

    /// `DATA_UPLOAD_MAX_NUMBER_FILES`: how many files a form may have; more is a 400. `None` is no
    /// limit.
    ///
    /// Defaults to 100.
    pub fn data_upload_max_number_files(mut self, files: impl Into<Option<usize>>) -> Self {
        self.upload_limits.number_files = files.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(settings: DjangoSettings) -> String {
        settings.validate().unwrap_err().to_string()
    }

    #[test]
    fn improper_settings_are_refused_by_name() {
        let settings = || DjangoSettings::new("k");
        for origin in ["example.com", "*.example.com", "null", ""] {
            let refused = refusal(settings().csrf_trusted_origins(["https://a.org", origin]));
            assert!(refused.contains("CSRF_TRUSTED_ORIGINS"), "{origin}: {refused}");
        }
        for name in ["", "a b", "a;b", "a=b", "\u{e9}"] {
            assert!(refusal(settings().csrf_cookie_name(name)).contains("CSRF_COOKIE_NAME"));
        }
        assert!(refusal(settings().csrf_cookie_samesite("bogus")).contains("CSRF_COOKIE_SAMESITE"));
        assert!(refusal(settings().csrf_cookie_domain("a;b")).contains("CSRF_COOKIE_DOMAIN"));
        assert!(refusal(settings().csrf_cookie_path("/\n")).contains("CSRF_COOKIE_PATH"));
        for name in ["", "HTTP_X_CSRFTOKEN", "X CSRF"] {
            assert!(refusal(settings().csrf_header_name(name)).contains("CSRF_HEADER_NAME"));
        }
        let sound = settings()
            .csrf_trusted_origins(["https://*.example.com", "chrome-extension://abc"])
            .csrf_cookie_name("__Host-csrf:token")
            .csrf_cookie_samesite("STRICT")
            .csrf_cookie_domain(None)
            .csrf_cookie_path("");
        assert!(sound.validate().is_ok());
    }
}
