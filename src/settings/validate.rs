//! Refuses settings that cannot work, each by its name.

use jiff::tz::TimeZone;

use super::{CookieSettings, DjangoSettings, PasswordHasher, Power, SecretKey};
use crate::error::Error;

impl DjangoSettings {
    /// Refuses settings that cannot work, all of them in one message.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let faults = self.faults();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Error::ImproperlyConfigured(faults.join("; "))),
        }
    }

    fn faults(&self) -> Vec<String> {
        let hash = self.user_model.session_auth_hash.as_ref();
        let constant = [
            (self.secret_key.is_empty(), "the SECRET_KEY setting must not be empty"),
            (
                // Rule A8: Django would accept a session auth hash that was made with the empty
                // secret, and anyone can make one.
                self.secret_key_fallbacks.iter().any(SecretKey::is_empty),
                "SECRET_KEY_FALLBACKS must not contain an empty key",
            ),
            (self.login_url.trim().is_empty(), "LOGIN_URL must not be empty"),
            (
                !self.login_url.trim().is_empty() && !is_url(&self.login_url),
                "LOGIN_URL is the name of a URL pattern: give the path that it stands for",
            ),
            (
                !is_url(&self.login_redirect_url),
                "LOGIN_REDIRECT_URL must not be the name of a URL pattern: give the path that it \
                 stands for",
            ),
            (
                !self.logout_redirect_url.as_deref().is_none_or(is_url),
                "LOGOUT_REDIRECT_URL must not be the name of a URL pattern: give the path that it \
                 stands for",
            ),
            (
                self.secure_proxy_ssl_header.iter().any(|(name, _)| !is_header_name(name)),
                "SECURE_PROXY_SSL_HEADER takes the HTTP name of a header, such as X-Forwarded-Proto",
            ),
            (
                !is_header_name(&self.csrf_header_name),
                "CSRF_HEADER_NAME takes the HTTP name of a header, such as X-CSRFToken",
            ),
            (
                !self.use_tz && TimeZone::get(&self.time_zone).is_err(),
                "TIME_ZONE is not the name of a time zone",
            ),
            (self.timeout.is_zero(), "the timeout must not be zero"),
            (self.form_timeout.is_zero(), "form_timeout must not be zero"),
            (
                // Django's system check files.E001.
                self.file_upload_temp_dir.as_ref().is_some_and(|path| !path.is_dir()),
                "FILE_UPLOAD_TEMP_DIR is not a directory",
            ),
            (
                self.max_connections < 2,
                "max_connections must be at least 2: one is reserved to cancel abandoned queries",
            ),
            (
                !self.session_table.is_valid(),
                "session_table must have a name, without NUL characters",
            ),
            (
                !self.user_model.is_valid(),
                "the tables and columns of user_model must have names, without NUL characters",
            ),
            (
                hash.is_some_and(|hash| !hash.is_valid()),
                "session_auth_hash must say which method of the user model makes it: \
                 overrides_get_session_auth_hash or overrides_private_get_session_auth_hash",
            ),
            (
                self.authentication_backends.is_empty(),
                "AUTHENTICATION_BACKENDS must not be empty: no user could be logged in",
            ),
        ];
        let constant = constant.into_iter().filter(|(is_fault, _)| *is_fault);
        let of_cookie = |prefix: &'static str, cookie: CookieSettings<'_>| {
            cookie.faults().map(move |fault| format!("{prefix}_{fault}")).collect::<Vec<_>>()
        };
        let backends = self.authentication_backends.iter().map(|backend| &backend.path);
        let backends = backends.filter(|path| !path.contains('.'));
        // Rule C15, Django's system check 4_0.E001: an origin without a scheme would never match.
        let origins = self.csrf_trusted_origins.iter().filter(|origin| !origin.contains("://"));
        let fallbacks = self.site.as_ref().and_then(|site| {
            // An empty header name is refused above.
            site.fault_of_fallbacks(&self.secret_key_fallbacks)
        });
        constant
            .map(|(_, reason)| reason.to_owned())
            .chain(of_cookie("SESSION", self.session_cookie()))
            .chain(of_cookie("CSRF", self.csrf_cookie()))
            .chain(
                backends.map(|path| {
                    format!("\"{path}\" is not a dotted path (AUTHENTICATION_BACKENDS)")
                }),
            )
            .chain(origins.map(|origin| {
                format!("\"{origin}\" has no scheme such as https:// (CSRF_TRUSTED_ORIGINS)")
            }))
            .chain(self.faults_of_hashers().map(Into::into))
            .chain(fallbacks)
            .chain(self.overrides_of(Power::Load).map(|each| {
                format!(
                    "{each}: sessions are not read here, unless \"{}\" is one of \
                     `DjangoSettings::accepted_overrides`, which says that it makes no difference",
                    each.value
                )
            }))
            .collect()
    }

    fn faults_of_hashers(&self) -> impl Iterator<Item = &'static str> {
        let hashers = self.hashers();
        let is_own = self.password_hashers.is_some();
        [
            (hashers.is_empty(), "PASSWORD_HASHERS must not be empty"),
            (
                !hashers.iter().all(PasswordHasher::is_affordable),
                "PASSWORD_HASHERS has parameters that are impossible or too expensive",
            ),
            (
                is_own && !hashers.iter().all(PasswordHasher::is_built_in),
                "PASSWORD_HASHERS: all hashers but Pbkdf2Sha256 and Pbkdf2Sha1 need the feature \
                 `hashers` of actix-django-session",
            ),
        ]
        .into_iter()
        .filter_map(|(is_fault, reason)| is_fault.then_some(reason))
    }
}

/// Whether `resolve_url` takes this as it is, and not as the name of a URL pattern.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains(['/', '.'])
}

/// Whether this is a header by its HTTP name, and not by Django's `HTTP_X_..`.
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::SessionAuthHash;

    #[test]
    fn improper_settings_are_refused_by_name() {
        let of = |change: fn(&mut DjangoSettings)| {
            let mut settings = DjangoSettings::new("k");
            change(&mut settings);
            settings
        };
        for (settings, named) in [
            (of(|s| s.secret_key = "".into()), "SECRET_KEY"),
            (of(|s| s.secret_key_fallbacks = vec!["".into()]), "FALLBACKS"),
            (of(|s| s.login_url = "".into()), "LOGIN_URL"),
            (of(|s| s.login_url = "  ".into()), "LOGIN_URL"),
            (of(|s| s.login_url = "login".into()), "LOGIN_URL"),
            (of(|s| s.login_url = "accounts:login".into()), "LOGIN_URL"),
            (of(|s| s.login_redirect_url = "home".into()), "LOGIN_REDIRECT_URL"),
            (of(|s| s.logout_redirect_url = Some("home".into())), "LOGOUT_REDIRECT_URL"),
            (of(|s| s.session_table = "web.".into()), "session_table"),
            (of(|s| s.timeout = Duration::ZERO), "timeout"),
            (of(|s| s.max_connections = 1), "max_connections"),
            (of(|s| s.csrf_header_name = "".into()), "CSRF_HEADER_NAME"),
            (of(|s| s.csrf_header_name = "HTTP_X_CSRFTOKEN".into()), "CSRF_HEADER_NAME"),
            (of(|s| s.csrf_header_name = "X CSRF".into()), "CSRF_HEADER_NAME"),
            (of(|s| s.csrf_trusted_origins = vec!["example.com".into()]), "\"example.com\""),
            (of(|s| s.csrf_trusted_origins = vec!["null".into()]), "CSRF_TRUSTED_ORIGINS"),
            (of(|s| (s.use_tz, s.time_zone) = (false, "Mars/Olympus".into())), "TIME_ZONE"),
            (of(|s| s.form_timeout = Duration::ZERO), "form_timeout"),
            (
                of(|s| s.file_upload_temp_dir = Some("/no/such/directory".into())),
                "FILE_UPLOAD_TEMP_DIR",
            ),
            (
                of(|s| {
                    let hash = SessionAuthHash { key_salt: "own".into(), ..Default::default() };
                    s.user_model.session_auth_hash = Some(hash);
                }),
                "session_auth_hash",
            ),
            (of(|s| s.user_model.username = "".into()), "user_model"),
            (of(|s| s.authentication_backends.clear()), "AUTHENTICATION_BACKENDS"),
            (
                of(|s| s.authentication_backends = vec!["Backend".into()]),
                "\"Backend\" is not a dotted path",
            ),
            (of(|s| s.password_hashers = Some(Vec::new())), "PASSWORD_HASHERS"),
        ] {
            let refused = settings.validate().unwrap_err().to_string();
            assert!(refused.contains(named), "{named}: {refused}");
        }
        assert!(DjangoSettings::new(b"\xff\xfe").validate().is_ok());
        let sound = of(|s| {
            s.csrf_trusted_origins =
                vec!["https://*.example.com".into(), "chrome-extension://abc".into()];
        });
        assert!(sound.validate().is_ok());
    }

    #[test]
    fn all_that_is_improper_is_said_at_once() {
        let mut settings = DjangoSettings::new("");
        settings.session_cookie_name = "=".into();
        settings.session_cookie_path = Some(";".into());
        settings.login_url = "login".into();
        settings.csrf_trusted_origins = vec!["example.com".into(), "example.org".into()];
        (settings.use_tz, settings.time_zone) = (false, "Mars/Olympus".into());
        settings.password_hashers = Some(vec![PasswordHasher::Bcrypt { rounds: 31 }]);
        let refused = settings.validate().unwrap_err().to_string();
        for named in [
            "SECRET_KEY",
            "SESSION_COOKIE_NAME",
            "SESSION_COOKIE_PATH",
            "LOGIN_URL",
            "\"example.com\"",
            "\"example.org\"",
            "TIME_ZONE",
            "PASSWORD_HASHERS",
        ] {
            assert!(refused.contains(named), "{named}: {refused}");
        }
    }
}
