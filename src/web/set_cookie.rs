//! Cookies as Django writes them: `HttpResponse.set_cookie` and `delete_cookie`, to the letter.

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use jiff::{SignedDuration, civil::date};

use crate::settings::{CookieSettings, DjangoSettings};

/// Of the years 1 and 9999, since 1970.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

/// A cookie to be sent.
pub(crate) struct SetCookie<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    pub(crate) lifetime: Lifetime,
    pub(crate) domain: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) samesite: Option<&'a str>,
    pub(crate) secure: bool,
    pub(crate) httponly: bool,
}

/// How long a browser keeps a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until it is closed.
    Browser,
    /// For so many seconds, from this moment on.
    Seconds(i64, SystemTime),
    /// For `max_age` seconds; until `expires`, in seconds since 1970, which may differ.
    Until { max_age: i64, expires: i64 },
    /// Not at all: it is deleted.
    Deleted,
}

impl Lifetime {
    /// That of the CSRF cookie which is sent now.
    pub(crate) fn of_csrf(settings: &DjangoSettings, now: SystemTime) -> Self {
        settings.csrf_cookie_age.map_or(Self::Browser, |age| Self::Seconds(age, now))
    }
}

impl<'a> SetCookie<'a> {
    /// This value, in the cookie that the settings describe.
    pub(crate) fn of(settings: CookieSettings<'a>, value: &'a str, lifetime: Lifetime) -> Self {
        let CookieSettings { name, domain, path, samesite, secure, httponly } = settings;
        Self { name, value, lifetime, domain, path, samesite, secure, httponly }
    }

    /// `delete_cookie` of that cookie, which takes fewer of its attributes.
    pub(crate) fn deleted(settings: CookieSettings<'a>) -> Self {
        let secure = is_deleted_securely(settings.name, settings.samesite);
        Self::of(CookieSettings { secure, httponly: false, ..settings }, "", Lifetime::Deleted)
    }

    /// The header's value. `None` if the value or a setting cannot stand in a header.
    fn header(&self) -> Option<HeaderValue> {
        // Python writes the attributes in the order of their names, `Expires` in lower case (C25, K1).
        let (expires, max_age) = match self.lifetime {
            Lifetime::Browser => (None, None),
            Lifetime::Seconds(age, now) => (Some(later(now, age)), Some(age)),
            Lifetime::Until { max_age, expires } => (Some(expires), Some(max_age)),
            Lifetime::Deleted => (Some(0), Some(0)),
        };
        let mut text = format!("{}={}", self.name, quoted(self.value));
        push(&mut text, "Domain", self.domain);
        if let Some(date) = expires.and_then(http_date) {
            let _ = write!(text, "; expires={date}");
        }
        if self.httponly {
            text.push_str("; HttpOnly");
        }
        if let Some(max_age) = max_age {
            let _ = write!(text, "; Max-Age={max_age}");
        }
        push(&mut text, "Path", self.path);
        push(&mut text, "SameSite", self.samesite);
        if self.secure {
            text.push_str("; Secure");
        }
        HeaderValue::from_str(&text).ok()
    }

    /// Puts the cookie into a response, and replaces one of the same name.
    // C26: one cookie of a name in an answer.
    pub(crate) fn send(&self, headers: &mut HeaderMap) {
        let Some(header) = self.header() else {
            // Settings are validated at start-up, and Django's own values always fit.
            tracing::error!(cookie = self.name, "a cookie cannot stand in a header");
            return;
        };
        let name = self.name.as_bytes();
        let is_ours = |other: &HeaderValue| {
            other.as_bytes().strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="))
        };
        if headers.get_all(SET_COOKIE).any(is_ours) {
            let others: Vec<_> =
                headers.get_all(SET_COOKIE).filter(|other| !is_ours(other)).cloned().collect();
            headers.remove(SET_COOKIE);
            others.into_iter().for_each(|other| headers.append(SET_COOKIE, other));
        }
        headers.append(SET_COOKIE, header);
    }
}

/// Browsers would not believe it otherwise. What the setting says does not matter.
fn is_deleted_securely(name: &str, samesite: Option<&str>) -> bool {
    name.starts_with("__Secure-")
        || name.starts_with("__Host-")
        || samesite.is_some_and(|samesite| samesite.eq_ignore_ascii_case("none"))
}

/// An attribute, unless it is empty.
fn push(text: &mut String, attribute: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        let _ = write!(text, "; {attribute}={value}");
    }
}

/// The moment so many seconds from another, in seconds since 1970, within the years that a date can
/// have.
fn later(now: SystemTime, seconds: i64) -> i64 {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let then = i64::try_from(now).unwrap_or(LAST_SECOND).saturating_add(seconds);
    then.clamp(FIRST_SECOND, LAST_SECOND)
}

/// `http_date` of `django.utils.http`: a moment in seconds since 1970, of the years 1 to 9999.
pub(crate) fn http_date(seconds: i64) -> Option<String> {
    let in_time = (FIRST_SECOND..=LAST_SECOND).contains(&seconds);
    let moment = date(1970, 1, 1).at(0, 0, 0, 0).checked_add(SignedDuration::from_secs(seconds));
    Some(moment.ok().filter(|_| in_time)?.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// `http.cookies._quote`.
fn quoted(value: &str) -> String {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:".contains(c);
    // An empty value is quoted too: `sessionid=""`.
    if !value.is_empty() && value.chars().all(is_legal) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            // What may stand between quotes as it is, beside the legal ones.
            _ if is_legal(c) || " ()/<=>?@[]{}".contains(c) => text.push(c),
            _ if u32::from(c) < 256 => {
                let _ = write!(text, "\\{:03o}", u32::from(c));
            }
            _ => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::csrf::vectors::of_kind;

    fn cookie(lifetime: Lifetime) -> SetCookie<'static> {
        SetCookie {
            name: "sessionid",
            value: "abc",
            lifetime,
            domain: None,
            path: Some("/"),
            samesite: Some("Lax"),
            secure: false,
            httponly: true,
        }
    }

    fn text(cookie: &SetCookie<'_>) -> String {
        cookie.header().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn cookies_are_written_as_django_writes_them() {
        let (mut seen, mut of_another_type, mut refused_or_none) = (0, 0, 0);
        for vector in of_kind("set_cookie") {
            let sent = vector["expect"]["set_cookie"][0].as_str();
            let Some(settings) = settings(&vector) else {
                // The setting has another type, and Python takes it.
                of_another_type += 1;
                continue;
            };
            let Some(sent) = sent else {
                // Nothing to send, or what Django fails over is refused at the start.
                let is_refused = settings.validate().is_err();
                assert_eq!(is_refused, vector["expect"]["raises"].is_string(), "{vector}");
                refused_or_none += 1;
                continue;
            };
            let value = sent.split_once('=').unwrap().1.split(';').next().unwrap();
            let now = Duration::from_secs_f64(vector["now"].as_f64().unwrap());
            let lifetime = Lifetime::of_csrf(&settings, UNIX_EPOCH + now);
            let cookie = SetCookie::of(settings.csrf_cookie(), value, lifetime);
            // A new secret stands as `<new>`, which would be quoted.
            assert_eq!(text(&cookie).replace("\"<new>\"", "<new>"), sent, "{vector}");
            seen += 1;
        }
        assert_eq!((seen, of_another_type, refused_or_none), (44, 2, 3));
    }

    fn settings(vector: &Value) -> Option<DjangoSettings> {
        let mut settings = DjangoSettings::new("k");
        let given = |name: &str| vector["settings"].get(format!("CSRF_COOKIE_{name}"));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(name) = given("NAME") {
            settings.csrf_cookie_name = text(name)?;
        }
        if let Some(age) = given("AGE") {
            settings.csrf_cookie_age = if age.is_null() { None } else { Some(age.as_i64()?) };
        }
        let text = |name, default| given(name).map_or(default, text);
        settings.csrf_cookie_domain = text("DOMAIN", settings.csrf_cookie_domain);
        settings.csrf_cookie_path = text("PATH", settings.csrf_cookie_path);
        settings.csrf_cookie_samesite = text("SAMESITE", settings.csrf_cookie_samesite);
        let yes = |name| given(name).is_some_and(|value| *value == true);
        (settings.csrf_cookie_secure, settings.csrf_cookie_httponly) =
            (yes("SECURE"), yes("HTTPONLY"));
        Some(settings)
    }

    #[test]
    fn a_cookie_is_deleted_as_django_deletes_it() {
        let deleted = SetCookie { value: "", httponly: false, ..cookie(Lifetime::Deleted) };
        assert_eq!(
            text(&deleted),
            "sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax"
        );
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let bare = SetCookie { path: Some(""), samesite: None, ..cookie(Lifetime::Browser) };
        assert_eq!(text(&bare), "sessionid=abc; HttpOnly");
    }

    #[test]
    fn values_are_quoted_as_python_quotes_them() {
        // What Python 3.13 makes of each.
        for (value, expected) in [
            ("abc", "abc"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("a;b,c", "\"a\\073b\\054c\""),
            ("a\u{e9}\n", "\"a\\351\\012\""),
            ("a=b/", "\"a=b/\""),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }

    #[test]
    fn a_moment_beyond_all_dates_is_the_last_one() {
        let end = |age| text(&cookie(Lifetime::Seconds(age, UNIX_EPOCH)));
        assert!(end(i64::MAX).contains("expires=Fri, 31 Dec 9999 23:59:59 GMT"));
        assert!(end(i64::MIN).contains("expires=Mon, 01 Jan 0001 00:00:00 GMT"));
    }

    #[test]
    fn one_name_is_sent_once() {
        let mut headers = HeaderMap::new();
        for other in ["sessionid=x", "sessionid2=y", "a=sessionid=", "sessionid=; Max-Age=0"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(other));
        }
        cookie(Lifetime::Browser).send(&mut headers);
        let sent: Vec<_> = headers.get_all(SET_COOKIE).map(|one| one.to_str().unwrap()).collect();
        let ours = "sessionid=abc; HttpOnly; Path=/; SameSite=Lax";
        assert_eq!(sent, ["sessionid2=y", "a=sessionid=", ours]);
    }
}
