//! `Vary`: without it, a shared cache hands one visitor's page to another.

use actix_web::http::header::{HeaderMap, HeaderValue, VARY};

/// `Vary: Cookie`, which every answer behind a middleware has.
pub(crate) fn vary_on_cookie(headers: &mut HeaderMap) {
    vary_on("Cookie", headers);
}

/// `patch_vary_headers` of `django.utils.cache` with one name.
///
/// Leaves one line, as Django does: what adds to it later (actix-cors) may look only at the first.
pub(crate) fn vary_on(added: &'static str, headers: &mut HeaderMap) {
    let existing: Vec<_> = headers.insert(VARY, HeaderValue::from_static(added)).collect();
    if existing.is_empty() {
        return;
    }
    let existing = existing.iter().flat_map(|value| value.as_bytes().split(|&b| b == b','));
    let names = existing.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
    let merged = if names.clone().any(|name| name == b"*") {
        b"*".to_vec()
    } else {
        let mut names: Vec<_> = names.collect();
        if !names.iter().any(|name| name.eq_ignore_ascii_case(added.as_bytes())) {
            names.push(added.as_bytes());
        }
        names.join(&b", "[..])
    };
    // Names out of valid header values, joined with a comma, make a valid one.
    if let Ok(merged) = HeaderValue::from_bytes(&merged) {
        headers.insert(VARY, merged);
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
    fn cookie_is_added_once_to_what_is_there_in_one_line() {
        assert_eq!(patched(&[]), ["Cookie"]);
        assert_eq!(patched(&["Accept-Language"]), ["Accept-Language, Cookie"]);
        assert_eq!(patched(&["Accept-Language, cookie"]), ["Accept-Language, cookie"]);
        assert_eq!(patched(&["Accept-Language", "COOKIE"]), ["Accept-Language, COOKIE"]);
        assert_eq!(patched(&["Cookie", "Origin"]), ["Cookie, Origin"]);
        assert_eq!(patched(&["Origin", "Accept-Encoding"]), ["Origin, Accept-Encoding, Cookie"]);
        assert_eq!(patched(&[" ,Origin,,"]), ["Origin, Cookie"]);
        assert_eq!(patched(&["*"]), ["*"]);
        assert_eq!(patched(&["Origin", "*"]), ["*"]);
    }
}
