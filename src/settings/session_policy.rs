//! Values that follow from several session settings.

use std::time::Duration;

use super::{DjangoSettings, SessionEngine};

/// The least time by which the end of a session has to move before it is written, unless the
/// settings say otherwise: as exact as Django's cookie.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// The same bound for a session that lives for seconds only, as a part of its life.
const PART_OF_LIFE: u32 = 60;

/// The salt of `django.contrib.sessions.backends.signed_cookies`.
const SIGNED_COOKIES_SALT: &str = "django.contrib.sessions.backends.signed_cookies";

impl DjangoSettings {
    /// The salt that session data is signed with.
    pub(crate) fn session_salt(&self) -> &str {
        match self.session_engine {
            SessionEngine::SignedCookies => SIGNED_COOKIES_SALT,
            SessionEngine::Db | SessionEngine::CachedDb => &self.session_key_salt,
        }
    }

    /// How old session data may be. A session that is its own cookie has no other end.
    pub(crate) fn session_max_age(&self) -> Option<Duration> {
        match self.session_engine {
            SessionEngine::SignedCookies => {
                let age = self.session_cookie_age.max(0).unsigned_abs();
                let age = Duration::from_secs(age);
                Some(self.session_data_max_age.map_or(age, |max_age| max_age.min(age)))
            }
            SessionEngine::Db | SessionEngine::CachedDb => self.session_data_max_age,
        }
    }

    /// How far the end of a session with this lifetime has to move before it is
    /// written.
    pub(crate) fn save_interval(&self, life: Duration) -> Duration {
        let default = || SAVE_INTERVAL.min(life / PART_OF_LIFE);
        self.session_save_interval.unwrap_or_else(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slide_is_worth_it_after_a_second_or_a_sixtieth_of_a_short_life() {
        let after = |settings: &DjangoSettings, seconds| {
            settings.save_interval(Duration::from_secs(seconds))
        };
        let mut settings = DjangoSettings::new("k");
        for (life, millis) in [(14 * 86_400, 1000), (60, 1000), (30, 500), (3, 50), (0, 0)] {
            assert_eq!(after(&settings, life), Duration::from_millis(millis), "{life}");
        }
        for interval in [Duration::ZERO, Duration::from_secs(86_400)] {
            settings.session_save_interval = Some(interval);
            assert_eq!((after(&settings, 3), after(&settings, 86_400)), (interval, interval));
        }
    }
}
