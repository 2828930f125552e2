//! Which vectors a middleware cannot show, and why.

use serde_json::Value;

use crate::csrf::{
    Secret,
    vectors::{header, list},
};

/// The reason why this middleware cannot show what the vector shows, if there is one.
pub(super) fn why_not(vector: &Value) -> Option<&'static str> {
    let setting = |name: &str| &vector["settings"][name];
    let middleware = match vector["middleware"].as_str() {
        Some("none") => Some("there is no get_token without a middleware"),
        Some("common") => Some("CommonMiddleware is no part of this"),
        Some("noenforce" | "done") => Some("tests pass the check by test::csrf"),
        Some("body_before" | "post_before" | "read_before") => {
            Some("what reads a body before the middleware gives it back or takes it away")
        }
        Some(other) if other.contains("rotate") || other.contains("token_before") => {
            Some("only login rotates, in a handler")
        }
        Some("csrf" | "session_after") => Some("a middleware always knows the session"),
        _ => None,
    };
    let view = match vector["view"].as_str() {
        Some("stream_token") => Some("the cookie is decided when CsrfToken is extracted"),
        Some("own_cookie_token" | "delete_cookie_token") => {
            Some("one cookie is sent, the middleware's own: flags of the handler's do not survive")
        }
        Some(view) if view.starts_with("do_") || view.starts_with("session_") => {
            Some("sessions that change have tests of their own")
        }
        _ => None,
    };
    let settings = if vector["expect"]["raises"] == "CookieError"
        || setting("CSRF_COOKIE_SAMESITE") == "bogus"
    {
        Some("refused at the start")
    } else if ["CSRF_COOKIE_AGE", "CSRF_COOKIE_DOMAIN"]
        .iter()
        .any(|name| setting(name).is_f64() || setting(name).is_boolean())
    {
        Some("of another type, which Python takes")
    } else if setting("CSRF_HEADER_NAME").as_str().is_some_and(|name| !name.starts_with("HTTP_")) {
        Some("a header has an HTTP name here")
    } else if list(vector, "CSRF_TRUSTED_ORIGINS")
        .into_iter()
        .flatten()
        .any(|origin| !origin.contains("://"))
    {
        Some("refused at the start, as by Django's system check")
    } else if vector["settings"].get("DEFAULT_CHARSET").is_some() {
        Some("the charset of forms is UTF-8 in every Django since 5.0")
    } else {
        None
    };
    let path = match vector["path"].as_str() {
        Some("/nowhere/") => Some("a middleware stands before the routes behind it"),
        _ => None,
    };
    let is_secret = |value: &Value| {
        value.as_str().is_some_and(|value| Secret::read(value).is_ok()) || value.is_null()
    };
    let kind = vector["kind"].as_str().unwrap_or_default();
    let session = match kind {
        "session" if !is_secret(&vector["session"]["_csrftoken"]) => {
            Some("an ill-formed secret in a session counts as none (CD2)")
        }
        "session"
            if vector["expect"]["set_cookie"].as_array().is_some_and(|sent| !sent.is_empty()) =>
        {
            Some("sessions that change have tests of their own")
        }
        "session" if vector["view"].as_str().is_some_and(|view| view.ends_with("_token")) => {
            Some("sessions that change have tests of their own")
        }
        _ => None,
    };
    let odd = match kind {
        "form" if header(vector, "Content-Length").is_some() => {
            Some("a server refuses such a length, or cuts the body")
        }
        "origin" | "referer" if !vector["expect"]["raises"].is_null() => {
            Some("an item of CSRF_TRUSTED_ORIGINS that is no URL matches nothing")
        }
        "origin" | "referer" if is_stricter(vector) => Some("stricter than Django (CD1)"),
        _ if vector["server"][0]
            .as_str()
            .is_some_and(|name| name.parse::<std::net::IpAddr>().is_err())
            && header(vector, "Host").is_none() =>
        {
            Some("a server knows its address, not its name")
        }
        _ => None,
    };
    middleware.or(view).or(settings).or(path).or(session).or(odd)
}

/// Where `web::host` has a test that says so.
fn is_stricter(vector: &Value) -> bool {
    let url = header(vector, "Origin").or_else(|| header(vector, "Referer")).unwrap_or_default();
    let is_odd = |c: char| "\\,%@\t".contains(c) || c == ' ';
    let netloc =
        url.split("//").nth(1).unwrap_or_default().split(['/', '?']).next().unwrap_or_default();
    let is_wild =
        list(vector, "CSRF_TRUSTED_ORIGINS").into_iter().flatten().any(|o| o.contains('*'));
    is_wild
        && (netloc.contains(is_odd) || url.contains('\t'))
        && (vector["expect"] == true || vector["expect"] == "ok")
}
