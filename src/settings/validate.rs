//! Settings that cannot work, refused at start by their names.

use super::{DjangoSettings, Power, cookie::is_cookie_name, is_header_name, is_url};
use crate::error::Error;

impl DjangoSettings {
    /// Refuses what cannot work: all of it in one message.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let faults = self.faults();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Error::ImproperlyConfigured(faults.join("; "))),
        }
    }

    fn faults(&self) -> Vec<String> {
        let paths = || self.authentication_backends.iter().map(|backend| backend.path.as_str());
        let hash = self.user_model.session_auth_hash.as_ref();
        let faults = [
            (self.secret_key.is_empty(), "the SECRET_KEY setting must not be empty"),
            (
                // Django would accept a session auth hash made with the empty secret (A8): anybody
                // can.
                self.secret_key_fallbacks.iter().any(Vec::is_empty),
                "SECRET_KEY_FALLBACKS must not contain an empty key",
            ),
            (
                !is_cookie_name(&self.session_cookie_name),
                "SESSION_COOKIE_NAME is not the name of a cookie",
            ),
            (self.login_url.trim().is_empty(), "LOGIN_URL must not be empty"),
            (
                !self.login_url.trim().is_empty() && !is_url(&self.login_url),
                "LOGIN_URL is the name of a URL pattern: give the path that it stands for",
            ),
            (
                !is_url(&self.login_redirect_url)
                    || !self.logout_redirect_url.as_deref().is_none_or(is_url),
                "LOGIN_REDIRECT_URL and LOGOUT_REDIRECT_URL must not be names of URL patterns: give \
                 the paths that they stand for",
            ),
            (
                self.secure_proxy_ssl_header.iter().any(|(name, _)| !is_header_name(name)),
                "SECURE_PROXY_SSL_HEADER takes the HTTP name of a header: X-Forwarded-Proto",
            ),
            (
                self.timeout.is_zero(),
                "the timeout must not be zero: nothing is answered in no time",
            ),
            (
                self.max_connections < 2,
                "max_connections must be at least 2: one is set aside to end what was left behind",
            ),
            (
                !self.session_table.is_valid(),
                "the session table must have a name, without NUL characters",
            ),
            (
                !self.user_model.is_valid(),
                "the tables and columns of the user model must have names",
            ),
            (
                hash.is_some_and(|hash| !hash.is_valid()),
                "the session auth hash must say which method of the user model makes it: \
                 overrides_get_session_auth_hash() or overrides_private_get_session_auth_hash()",
            ),
            (
                self.authentication_backends.is_empty(),
                "AUTHENTICATION_BACKENDS must not be empty: nobody could be logged in",
            ),
        ];
        let faults = faults.into_iter().filter(|(is_fault, _)| *is_fault);
        let faults = faults.map(|(_, reason)| reason.to_owned());
        let no_path = paths().find(|path| !path.contains('.')).map(|path| {
            format!("AUTHENTICATION_BACKENDS takes dotted paths, and \"{path}\" is none")
        });
        let fallbacks = self.site.as_ref().and_then(|site| {
            // An empty one is refused above.
            site.fault_of_fallbacks(&self.secret_key_fallbacks)
        });
        faults
            .chain(no_path)
            .chain(self.csrf.fault())
            .chain(self.improper_hashers().map(Into::into))
            .chain(self.sessions.fault().map(Into::into))
            .chain(fallbacks)
            .chain(self.overrides_of(Power::Load).map(|each| {
                format!(
                    "{each}: sessions are not read here, unless \
                     `DjangoSettings::accept_override(\"{}\")` says that it makes no difference",
                    each.value
                )
            }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{SessionAuthHash, UserModel};

    #[test]
    fn improper_settings_are_refused_by_name() {
        let settings = || DjangoSettings::new("k");
        let nobody: [&str; 0] = [];
        let hash = SessionAuthHash::default().key_salt("own");
        for (settings, named) in [
            (DjangoSettings::new(""), "SECRET_KEY"),
            (settings().secret_key_fallbacks([""]), "FALLBACKS"),
            (settings().session_cookie_name(""), "SESSION_COOKIE_NAME"),
            (settings().session_cookie_name("a;b"), "SESSION_COOKIE_NAME"),
            (settings().session_cookie_name("a b"), "SESSION_COOKIE_NAME"),
            (settings().session_cookie_name("s\u{e9}ssion"), "SESSION_COOKIE_NAME"),
            (settings().login_url(""), "LOGIN_URL"),
            (settings().login_url("  "), "LOGIN_URL"),
            (settings().login_url("login"), "LOGIN_URL"),
            (settings().login_url("accounts:login"), "LOGIN_URL"),
            (settings().session_table("web."), "table"),
            (settings().timeout(Duration::ZERO), "timeout"),
            (settings().max_connections(1), "max_connections"),
            (
                settings().user_model(UserModel::default().session_auth_hash(hash)),
                "session auth hash",
            ),
            (settings().authentication_backends(nobody), "AUTHENTICATION_BACKENDS"),
            (settings().authentication_backends(["ModelBackend"]), "\"ModelBackend\" is none"),
        ] {
            let refused = settings.validate().unwrap_err().to_string();
            assert!(refused.contains(named), "{named}: {refused}");
        }
        assert!(DjangoSettings::new(b"\xff\xfe").validate().is_ok());
    }

    #[test]
    fn all_that_is_improper_is_said_at_once() {
        let refused = DjangoSettings::new("").session_cookie_name("=").login_url("login");
        let refused = refused.csrf_trusted_origins(["example.com"]).validate().unwrap_err();
        for named in ["SECRET_KEY", "SESSION_COOKIE_NAME", "LOGIN_URL", "CSRF_TRUSTED_ORIGINS"] {
            assert!(refused.to_string().contains(named), "{named}: {refused}");
        }
    }
}
