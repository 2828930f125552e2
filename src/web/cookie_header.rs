//! From `Cookie` headers to a cookie, by Django's parsing rules.
//!
//! Not `HttpRequest::cookie()`: that takes the first of two cookies with one name where Django
//! takes the last, decodes percent signs where Django does not, does not unquote, and finds no
//! cookie at all if one byte of the header is not UTF-8.

use std::borrow::Cow;

use actix_web::http::header::{COOKIE, HeaderMap};
use memchr::{memchr, memrchr};

use crate::url::strip;

/// The value of the last cookie with this name, as `parse_cookie` of `django.http.cookie` reads it.
///
/// Several headers count as one, in order.
pub(crate) fn last_cookie<'h>(headers: &'h HeaderMap, cookie_name: &str) -> Option<Cow<'h, str>> {
    let [value] = last_cookies(headers, [cookie_name]);
    value
}

/// [`last_cookie`] of each of these names, in one pass.
pub(crate) fn last_cookies<'h, const N: usize>(
    headers: &'h HeaderMap,
    cookie_names: [&str; N],
) -> [Option<Cow<'h, str>>; N] {
    let mut last = [const { None }; N];
    for header in headers.get_all(COOKIE) {
        for (last, value) in last.iter_mut().zip(last_values(header.as_bytes(), cookie_names)) {
            *last = value.or(last.take());
        }
    }
    last
}

fn last_values<'h, const N: usize>(
    header: &'h [u8],
    cookie_names: [&str; N],
) -> [Option<Cow<'h, str>>; N] {
    // As under WSGI: UTF-8, with U+FFFD for invalid bytes (R32). Most headers are valid, and the check for
    // that is several times faster.
    match str::from_utf8(header) {
        Ok(valid) => last_of(valid, cookie_names),
        Err(_) => {
            let header = String::from_utf8_lossy(header);
            last_of(&header, cookie_names).map(|value| Some(value?.into_owned().into()))
        }
    }
}

fn last_of<'h, const N: usize>(
    header: &'h str,
    cookie_names: [&str; N],
) -> [Option<Cow<'h, str>>; N] {
    let mut last = [const { None }; N];
    let mut missing = N;
    let mut rest = Some(header);
    while let Some(chunks) = rest {
        let chunk = match memrchr(b';', chunks.as_bytes()) {
            Some(at) => {
                rest = Some(&chunks[..at]);
                &chunks[at + 1..]
            }
            None => {
                rest = None;
                chunks
            }
        };
        let Some(at) = memchr(b'=', chunk.as_bytes()) else { continue };
        let (name, value) = (strip(&chunk[..at]), &chunk[at + 1..]);
        for (last, _) in last.iter_mut().zip(cookie_names).filter(|(_, wanted)| *wanted == name) {
            if last.is_none() {
                *last = Some(unquote(strip(value)));
                missing -= 1;
            }
        }
        if missing == 0 {
            break;
        }
    }
    last
}

/// `http.cookies._unquote`: takes off double quotes, `\ooo` is a code point, other `\c` is `c`.
fn unquote(value: &str) -> Cow<'_, str> {
    let Some(mut rest) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return Cow::Borrowed(value);
    };
    let mut text = String::with_capacity(rest.len());
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        rest = match (escaped.as_bytes(), escaped.chars().next()) {
            ([a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..], _) => {
                text.push(char::from((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0')));
                &escaped[3..]
            }
            (_, Some(c)) => {
                text.push(c);
                &escaped[c.len_utf8()..]
            }
            (_, None) => {
                text.push('\\');
                escaped
            }
        };
    }
    text.push_str(rest);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;
    use crate::csrf::vectors::of_kind;

    fn value_in(headers: &[&[u8]]) -> Option<String> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(COOKIE, HeaderValue::from_bytes(header).unwrap());
        }
        last_cookie(&map, "sessionid").map(Cow::into_owned)
    }

    #[test]
    fn cookies_are_read_as_django_reads_them() {
        // What Django 5.2 makes of each header.
        for (header, value) in [
            (&b"sessionid=A; sessionid=B"[..], Some("B")),
            (b"sessionid=A; sessionid=", Some("")),
            (b"sessionid=A; sessionid", Some("A")),
            (b"sessionid=\"A\"", Some("A")),
            (b"sessionid=\"\\141\\142c\"", Some("abc")),
            (b"sessionid=\"\\777\\8\"", Some("7778")),
            (b"sessionid=\"a\\\"", Some("a\\")),
            (b"sessionid=\"", Some("\"")),
            (b"sessionid=\"A", Some("\"A")),
            (b"sessionid=\"\\351\"", Some("é")),
            (b"sessionid=%61", Some("%61")),
            (b" sessionid = A ", Some("A")),
            (b"foo; =x; sessionid=A;;", Some("A")),
            (b"SESSIONID=A", None),
            (b"sessionid=A, sessionid=B", Some("A, sessionid=B")),
            (b"x=\"a;sessionid=A\"", Some("A\"")),
            (b"sessionid='A'", Some("'A'")),
            (b"$Version=1; sessionid=A; $Path=/", Some("A")),
            (b"sessionid=\xc2\xa0A", Some("A")),
            (b"x=\xff; sessionid=A", Some("A")),
            (b"sessionid=A\xff", Some("A\u{fffd}")),
            (b"sessionid=a=b", Some("a=b")),
            (b"", None),
        ] {
            assert_eq!(value_in(&[header]).as_deref(), value, "{}", header.escape_ascii());
        }
    }

    /// The names and bytes of `csrftoken` cookies, as Django's own check for CSRF was given them.
    #[test]
    fn cookies_are_read_as_six_versions_read_them() {
        let mut seen = 0;
        for vector in of_kind("cookie") {
            let mut map = HeaderMap::new();
            for header in vector["headers"].as_array().unwrap() {
                let [name, value] = [0, 1].map(|at| header[at].as_str().unwrap());
                if name == "Cookie" {
                    let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap()).collect();
                    map.append(COOKIE, HeaderValue::from_bytes(&bytes).unwrap());
                }
            }
            let name = vector["settings"]["CSRF_COOKIE_NAME"].as_str().unwrap_or("csrftoken");
            assert_eq!(last_cookie(&map, name).as_deref(), vector["expect"].as_str(), "{vector}");
            seen += 1;
        }
        assert_eq!(seen, 43);
    }

    #[test]
    fn white_space_is_pythons() {
        assert_eq!(strip("\x1f\u{3000}a\u{85}\x1c\t"), "a");
        assert_eq!(strip("\u{200b}a"), "\u{200b}a");
    }

    #[test]
    fn the_last_of_several_headers_wins() {
        assert_eq!(value_in(&[b"sessionid=A", b"sessionid=B; x=y"]).as_deref(), Some("B"));
        assert_eq!(value_in(&[b"sessionid=A", b"x=y"]).as_deref(), Some("A"));
    }
}
