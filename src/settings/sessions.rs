//! How sessions end, what their cookie looks like, and whether this service may change them.

use std::time::Duration;

use super::{
    DjangoSettings,
    cookie::{is_attribute, is_samesite},
};

/// The `SESSION_*` settings beyond the name of the cookie, at Django's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionSettings {
    pub(crate) engine: SessionEngine,
    pub(crate) cookie_age: i64,
    pub(crate) cookie_domain: Option<String>,
    pub(crate) cookie_path: String,
    pub(crate) cookie_secure: bool,
    pub(crate) cookie_httponly: bool,
    pub(crate) cookie_samesite: Option<String>,
    pub(crate) expire_at_browser_close: bool,
    pub(crate) save_every_request: bool,
    /// `None`: by how long the session is to live.
    pub(crate) slide_at_most_every: Option<Duration>,
    pub(crate) use_tz: bool,
    pub(crate) time_zone: String,
    pub(crate) writes: bool,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            engine: SessionEngine::Db,
            cookie_age: 14 * 86_400,
            cookie_domain: None,
            cookie_path: "/".into(),
            cookie_secure: false,
            cookie_httponly: true,
            cookie_samesite: Some("Lax".into()),
            expire_at_browser_close: false,
            save_every_request: false,
            slide_at_most_every: None,
            use_tz: true,
            time_zone: "America/Chicago".into(),
            writes: false,
        }
    }
}

/// Until the end of a session is moved again, unless the settings say otherwise: as exact as Django's
/// cookie is.
const SLIDE_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// A session that lives for seconds only loses no more than this part of its life by that.
const PART_OF_LIFE: u32 = 60;

impl SessionSettings {
    /// How far the end of a session that is to live for so long has to move for it to be written.
    pub(crate) fn slide_of(&self, life: Duration) -> Duration {
        let default = || SLIDE_AT_MOST_EVERY.min(life / PART_OF_LIFE);
        self.slide_at_most_every.unwrap_or_else(default)
    }

    /// What Django would fail over at the first response, by the name of the setting.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if !self.cookie_samesite.as_deref().is_none_or(is_samesite) {
            Some("SESSION_COOKIE_SAMESITE must be Lax, Strict, None or nothing")
        } else if !is_attribute(&self.cookie_path) {
            Some("SESSION_COOKIE_PATH is no path that a cookie can have")
        } else if !self.cookie_domain.as_deref().is_none_or(is_attribute) {
            Some("SESSION_COOKIE_DOMAIN is no domain that a cookie can have")
        } else {
            None
        }
    }
}

/// `SESSION_ENGINE`, as far as another language can read what it stores.
///
/// Not here, and why: `cache` keeps pickled Python objects, without a signature, in a cache that
/// forgets; `file` keeps them in a folder of Django's own machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEngine {
    /// `django.contrib.sessions.backends.db`: a row for each session.
    #[default]
    Db,
    /// `django.contrib.sessions.backends.cached_db`: the row, and a copy in Django's cache. The row
    /// is all that is read here. Whoever changes it has to delete the copy: see
    /// `DjangoSite::on_session_change`.
    CachedDb,
    /// `django.contrib.sessions.backends.signed_cookies`: the session itself is the cookie's value.
    ///
    /// Nothing of it can be revoked: a copy of the cookie that was taken before the visitor logged
    /// out opens the session until `SESSION_COOKIE_AGE` has passed.
    SignedCookies,
}

/// The salt of `django.contrib.sessions.backends.signed_cookies`.
const SIGNED_COOKIES_SALT: &str = "django.contrib.sessions.backends.signed_cookies";

impl DjangoSettings {
    /// The salt that session data is signed with.
    pub(crate) fn session_salt(&self) -> &str {
        match self.sessions.engine {
            SessionEngine::SignedCookies => SIGNED_COOKIES_SALT,
            SessionEngine::Db | SessionEngine::CachedDb => &self.key_salt,
        }
    }

    /// How old session data may be. A session that is its own cookie has no other end.
    pub(crate) fn session_max_age(&self) -> Option<Duration> {
        match self.sessions.engine {
            SessionEngine::SignedCookies => {
                let age = self.sessions.cookie_age.max(0).unsigned_abs();
                let age = Duration::from_secs(age);
                Some(self.max_age.map_or(age, |max_age| max_age.min(age)))
            }
            SessionEngine::Db | SessionEngine::CachedDb => self.max_age,
        }
    }
}

/// Sessions that change.
impl DjangoSettings {
    /// Lets this service change sessions, as
    /// `DjangoSessionMut` and the sliding of `SESSION_SAVE_EVERY_REQUEST`
    /// do. The database role needs `INSERT`, `UPDATE` and `DELETE` on the session table then.
    ///
    /// Defaults to `false`: nothing is ever written.
    pub fn writes_sessions(mut self, yes: bool) -> Self {
        self.sessions.writes = yes;
        self
    }

    /// `SESSION_ENGINE`.
    ///
    /// Defaults to [`SessionEngine::Db`].
    pub fn session_engine(mut self, engine: SessionEngine) -> Self {
        self.sessions.engine = engine;
        self
    }

    /// `SESSION_COOKIE_AGE`: after how many seconds a session ends that has no expiry of its own.
    ///
    /// Defaults to two weeks, 1209600.
    pub fn session_cookie_age(mut self, seconds: i64) -> Self {
        self.sessions.cookie_age = seconds;
        self
    }

    /// `SESSION_COOKIE_DOMAIN`: the domain that the cookie is for, with its subdomains. Empty: the
    /// host of the request alone.
    ///
    /// Defaults to none.
    pub fn session_cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.sessions.cookie_domain = Some(domain.into()).filter(|domain| !domain.is_empty());
        self
    }

    /// `SESSION_COOKIE_PATH`.
    ///
    /// Defaults to `/`.
    pub fn session_cookie_path(mut self, path: impl Into<String>) -> Self {
        self.sessions.cookie_path = path.into();
        self
    }

    /// `SESSION_COOKIE_SECURE`: whether browsers send the cookie over HTTPS only.
    ///
    /// Defaults to `false`, as Django does; a site with HTTPS should set it, there and here.
    pub fn session_cookie_secure(mut self, yes: bool) -> Self {
        self.sessions.cookie_secure = yes;
        self
    }

    /// `SESSION_COOKIE_HTTPONLY`: whether scripts of the page cannot read the cookie.
    ///
    /// Defaults to `true`.
    pub fn session_cookie_httponly(mut self, yes: bool) -> Self {
        self.sessions.cookie_httponly = yes;
        self
    }

    /// `SESSION_COOKIE_SAMESITE`: `Lax`, `Strict` or `None`, in whatever case; empty where
    /// `settings.py` has `False`: the cookie has no such attribute then.
    ///
    /// Defaults to `Lax`.
    pub fn session_cookie_samesite(mut self, samesite: impl Into<String>) -> Self {
        self.sessions.cookie_samesite = Some(samesite.into()).filter(|value| !value.is_empty());
        self
    }

    /// `SESSION_EXPIRE_AT_BROWSER_CLOSE`: whether the cookie of a session without an expiry of its
    /// own ends with the browser.
    ///
    /// Defaults to `false`.
    pub fn session_expire_at_browser_close(mut self, yes: bool) -> Self {
        self.sessions.expire_at_browser_close = yes;
        self
    }

    /// `SESSION_SAVE_EVERY_REQUEST`: whether each request of a visitor moves the end of the session.
    /// Behind every middleware then, with one write of `expire_date`, if
    /// [`writes_sessions`](Self::writes_sessions) allows it.
    ///
    /// Defaults to `false`.
    pub fn session_save_every_request(mut self, yes: bool) -> Self {
        self.sessions.save_every_request = yes;
        self
    }

    /// Writes the end of a session only if it was moved longer ago than this, to have fewer writes:
    /// the requests of a page move it once. Every response carries the cookie all the same. A
    /// visitor who stays away is logged out by so much earlier at most, so it should be a small part
    /// of [`session_cookie_age`](Self::session_cookie_age). Only matters with
    /// [`session_save_every_request`](Self::session_save_every_request).
    ///
    /// With zero, each request moves it to the microsecond, as in Django.
    ///
    /// Defaults to one second, which is as exact as the cookie; for a session that lives for less
    /// than a minute, to a sixtieth of its life.
    pub fn slide_at_most_every(mut self, interval: Duration) -> Self {
        self.sessions.slide_at_most_every = Some(interval);
        self
    }

    /// `USE_TZ`: whether the dates that Django keeps in a session name their time zone.
    ///
    /// Defaults to `true`, as in every project that `startproject` made and from Django 5.0 on.
    pub fn use_tz(mut self, yes: bool) -> Self {
        self.sessions.use_tz = yes;
        self
    }

    /// `TIME_ZONE`, by its name, such as `Europe/Berlin`: what dates without a time zone mean. Only
    /// matters where [`use_tz`](Self::use_tz) is `false`.
    ///
    /// Defaults to Django's own default, `America/Chicago`.
    pub fn time_zone(mut self, name: impl Into<String>) -> Self {
        self.sessions.time_zone = name.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slide_is_worth_it_after_a_second_or_a_sixtieth_of_a_short_life() {
        let after = |settings: &DjangoSettings, seconds| {
            settings.sessions.slide_of(Duration::from_secs(seconds))
        };
        let mut settings = DjangoSettings::new("k");
        for (life, millis) in [(14 * 86_400, 1000), (60, 1000), (30, 500), (3, 50), (0, 0)] {
            assert_eq!(after(&settings, life), Duration::from_millis(millis), "{life}");
        }
        for interval in [Duration::ZERO, Duration::from_secs(86_400)] {
            settings = settings.slide_at_most_every(interval);
            assert_eq!((after(&settings, 3), after(&settings, 86_400)), (interval, interval));
        }
    }

    #[test]
    fn a_cookie_that_django_could_not_send_is_refused() {
        let refused = |settings: DjangoSettings| settings.validate().unwrap_err().to_string();
        let settings = || DjangoSettings::new("k");
        assert!(refused(settings().session_cookie_samesite("bogus")).contains("SAMESITE"));
        assert!(refused(settings().session_cookie_path("/; Domain=x")).contains("PATH"));
        assert!(refused(settings().session_cookie_domain("a\r\nb")).contains("DOMAIN"));
        for sound in ["", "lax", "NONE", "Strict"] {
            assert!(settings().session_cookie_samesite(sound).validate().is_ok(), "{sound}");
        }
        assert!(settings().session_cookie_path("").session_cookie_domain("").validate().is_ok());
    }
}
