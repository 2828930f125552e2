//! The session cookie, as Django's `SessionMiddleware` sets and deletes it.

use actix_web::http::header::HeaderMap;

use super::set_cookie::{Lifetime, SetCookie};
use crate::{
    session::{CookieLife, SessionKey},
    settings::DjangoSettings,
};

/// The session cookie of an answer.
#[derive(Clone, Debug)]
pub(crate) enum SessionCookie {
    Set(SessionKey, CookieLife),
    Delete,
}

impl SessionCookie {
    pub(crate) fn send(&self, settings: &DjangoSettings, headers: &mut HeaderMap) {
        let cookie = settings.session_cookie();
        match self {
            Self::Delete => SetCookie::deleted(cookie).send(headers),
            Self::Set(key, life) => {
                let lifetime = match *life {
                    CookieLife::Browser => Lifetime::Browser,
                    CookieLife::Until { max_age, expires } => Lifetime::Until { max_age, expires },
                };
                SetCookie::of(cookie, key.as_str(), lifetime).send(headers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use actix_web::http::header::SET_COOKIE;
    use serde_json::Value;

    use super::*;
    use crate::{
        session::{ExpiryPolicy, SessionData},
        web::set_cookie::http_date,
    };

    /// All of a kind; `count` keeps a lost line from passing unnoticed.
    fn cases(kind: &str, count: usize) -> Vec<Value> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors-writes.jsonl");
        let lines = std::fs::read_to_string(path).unwrap();
        let all = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let cases: Vec<_> = all.filter(|case| case["kind"] == kind).collect();
        assert_eq!(cases.len(), count, "vectors of kind {kind}");
        cases
    }

    /// `None` for what no setting here can say.
    fn settings(case: &Value) -> Option<DjangoSettings> {
        let mut settings = DjangoSettings::new("k");
        for (name, value) in case["settings"].as_object().unwrap() {
            let text = || value.as_str().map(str::to_owned);
            let yes = *value == true;
            match &**name {
                "SESSION_COOKIE_AGE" => settings.session_cookie_age = value.as_i64()?,
                "SESSION_COOKIE_DOMAIN" => settings.session_cookie_domain = text(),
                "SESSION_COOKIE_PATH" => settings.session_cookie_path = text(),
                "SESSION_COOKIE_SECURE" => settings.session_cookie_secure = yes,
                "SESSION_COOKIE_HTTPONLY" => settings.session_cookie_httponly = yes,
                "SESSION_COOKIE_SAMESITE" => settings.session_cookie_samesite = text(),
                "SESSION_COOKIE_NAME" => settings.session_cookie_name = text()?,
                "SESSION_EXPIRE_AT_BROWSER_CLOSE" => settings.session_expire_at_browser_close = yes,
                other => panic!("{other}"),
            }
        }
        Some(settings)
    }

    fn sent(cookie: &SessionCookie, settings: &DjangoSettings) -> Vec<String> {
        let mut headers = HeaderMap::new();
        cookie.send(settings, &mut headers);
        let all = headers.get_all(SET_COOKIE);
        all.map(|header| header.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_cookie_is_set_as_django_sets_it() {
        let now = UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        let key = SessionKey::new("visitor1visitor1visitor1visitor1").unwrap();
        let mut of_another_type = 0;
        for case in cases("set_cookie", 27) {
            let Some(settings) = settings(&case) else {
                of_another_type += 1;
                continue;
            };
            if case["expect"]["status"] == 500 {
                assert!(settings.validate().is_err(), "{case}");
                continue;
            }
            let policy = ExpiryPolicy::new(&settings).unwrap();
            let life = policy.cookie_life(&SessionData::new(), now).unwrap();
            let cookie = sent(&SessionCookie::Set(key.clone(), life), &settings);
            assert_eq!(cookie, [case["expect"]["set_cookie"][0].as_str().unwrap()]);
        }
        assert_eq!(of_another_type, 1);
    }

    #[test]
    fn the_cookie_is_deleted_as_django_deletes_it() {
        for case in cases("delete_cookie", 23) {
            let settings = settings(&case).unwrap();
            if case["expect"]["status"] == 500 {
                assert!(settings.validate().is_err(), "{case}");
                continue;
            }
            let cookie = sent(&SessionCookie::Delete, &settings);
            assert_eq!(cookie, [case["expect"]["set_cookie"][0].as_str().unwrap()]);
        }
    }

    #[test]
    fn dates_are_written_as_django_writes_them() {
        for case in cases("http_date", 10) {
            let epoch: f64 = case["epoch"].as_str().unwrap().parse().unwrap();
            let text = http_date(epoch.floor() as i64);
            assert_eq!(text.as_deref(), case["expect"]["text"].as_str(), "{case}");
        }
    }
}
