//! `Vary: Cookie`: without it, a shared cache hands one visitor's page to another.

use actix_web::http::header::{HeaderMap, HeaderValue, VARY};

/// `patch_vary_headers` of `django.utils.cache` with `("Cookie",)` (R28).
pub(crate) fn vary_on_cookie(headers: &mut HeaderMap) {
    if !headers.contains_key(VARY) {
        headers.insert(VARY, HeaderValue::from_static("Cookie"));
        return;
    }
    let existing = headers.get_all(VARY).flat_map(|value| value.as_bytes().split(|&b| b == b','));
    let mut names = existing.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
    if names.clone().any(|name| name == b"*") {
        headers.insert(VARY, HeaderValue::from_static("*"));
    } else if !names.any(|name| name.eq_ignore_ascii_case(b"cookie")) {
        let mut joined: Vec<_> = headers.get_all(VARY).map(HeaderValue::as_bytes).collect();
        joined.push(b"Cookie");
        let joined = joined.join(&b", "[..]);
        // Joining valid header values with a comma makes a valid one.
        if let Ok(value) = HeaderValue::from_bytes(&joined) {
            headers.insert(VARY, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(existing: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in existing {
            headers.append(VARY, HeaderValue::from_static(value));
        }
        vary_on_cookie(&mut headers);
        headers.get_all(VARY).map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn cookie_is_appended_once_to_what_is_there() {
        assert_eq!(patched(&[]), ["Cookie"]);
        assert_eq!(patched(&["Accept-Language"]), ["Accept-Language, Cookie"]);
        assert_eq!(patched(&["Accept-Language, cookie"]), ["Accept-Language, cookie"]);
        assert_eq!(patched(&["Accept-Language", "COOKIE"]), ["Accept-Language", "COOKIE"]);
        assert_eq!(patched(&["Origin", "Accept-Encoding"]), ["Origin, Accept-Encoding, Cookie"]);
        assert_eq!(patched(&["*"]), ["*"]);
        assert_eq!(patched(&["Origin", "*"]), ["*"]);
    }
}
