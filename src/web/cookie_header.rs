//! From `Cookie` headers to a cookie, by Django's parsing rules.
//!
//! Not `HttpRequest::cookie()`: that takes the first of two cookies with one name where Django
//! takes the last, decodes percent signs where Django does not, does not unquote, and finds no
//! cookie at all if one byte of the header is not UTF-8.

use std::borrow::Cow;

use actix_web::http::header::{COOKIE, HeaderMap};

use crate::url::strip;

/// The value of the last cookie with this name, as `parse_cookie` of `django.http.cookie` reads it.
///
/// Several headers count as one, in order.
pub(crate) fn last_cookie(headers: &HeaderMap, cookie_name: &str) -> Option<String> {
    let mut last = None;
    for header in headers.get_all(COOKIE) {
        last = last_value(header.as_bytes(), cookie_name).or(last);
    }
    last
}

fn last_value(header: &[u8], cookie_name: &str) -> Option<String> {
    // As under WSGI: UTF-8, with U+FFFD for invalid bytes (R32). Most headers are valid, and the check for
    // that is several times faster.
    let header = match str::from_utf8(header) {
        Ok(sound) => Cow::Borrowed(sound),
        Err(_) => String::from_utf8_lossy(header),
    };
    header.rsplit(';').find_map(|chunk| {
        let (name, value) = chunk.split_once('=')?;
        (strip(name) == cookie_name).then(|| unquote(strip(value)).into_owned())
    })
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
        last_cookie(&map, "sessionid")
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
