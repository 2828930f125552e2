//! Any request target, sent to any login page. Lines: `LOGIN_URL`, the field's name, the host, the
//! target.

#![no_main]

use actix_django_session::fuzzing::location;
use http::{HeaderValue, Uri};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(4, |&byte| byte == b'\n');
    let mut line = || lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let (Some(login_url), Some(field), Some(host)) = (line(), line(), line()) else {
        return;
    };
    // Only what the server can read as a target gets to a handler.
    let Some(target) = line().filter(|target| target.starts_with('/')) else {
        return;
    };
    let Ok(uri) = target.parse::<Uri>() else {
        return;
    };
    let Ok(visited) = location_to(login_url, field, host, target) else {
        return;
    };
    let Ok(home) = location_to(login_url, field, host, "/x") else {
        return;
    };
    if field.is_empty() {
        assert_eq!(visited, home);
    }
    if visited == home {
        return;
    }

    // The visitor has a say in one value and in nothing else.
    let same = same_start(&visited, &home);
    let name = [quote_value(field), "=".into()].concat();
    let start = visited[..same].rfind(&name).map(|at| at + name.len());
    let start = start.unwrap_or_else(|| panic!("no {name} in {visited} and {home}"));
    let value = |url: &str| {
        let end = url[start..].find(['&', '#']).map_or(url.len(), |end| start + end);
        (url[start..end].to_owned(), url[end..].to_owned())
    };
    let ((next, behind), (next_home, behind_home)) = (value(&visited), value(&home));
    assert_eq!(visited[..start], home[..start]);
    assert_eq!(behind, behind_home);

    // And that one leads back to where he was.
    let next = percent_decode_str(&next).decode_utf8().unwrap();
    let next_home = percent_decode_str(&next_home).decode_utf8().unwrap();
    let origin = next_home.strip_suffix("/x").unwrap();
    let relative = next.strip_prefix(origin).unwrap();
    let (path, query) = relative.split_once('?').unwrap_or((relative, ""));
    assert!(path.starts_with('/') && relative.is_ascii());
    assert!(relative.bytes().all(|byte| byte.is_ascii_graphic()));
    let is_absolute = !origin.is_empty();
    if is_absolute {
        assert!(origin.starts_with("http://"), "{origin}");
    }
    let was: Vec<u8> = percent_decode_str(uri.path()).collect();
    let expected = with_broken_bytes_as_text(&was);
    // An absolute address has no dot segments.
    if !is_absolute || !(expected.contains("/./") || expected.contains("/../")) {
        assert_eq!(percent_decode_str(path).decode_utf8().unwrap(), expected);
    }
    let was: Vec<u8> = percent_decode_str(uri.query().unwrap_or_default()).collect();
    let is: Vec<u8> = percent_decode_str(query).collect();
    assert_eq!(is.escape_ascii().to_string(), was.escape_ascii().to_string());
});

/// A header's value, in any case.
fn location_to(login_url: &str, field: &str, host: &str, target: &str) -> Result<String, ()> {
    HeaderValue::from_str(host).map_err(drop)?;
    let location = location(login_url, field, host, target).ok_or(())?;
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location:?}");
    assert!(HeaderValue::from_str(&location).is_ok());
    Ok(location)
}

fn same_start(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}

fn quote_value(text: &str) -> String {
    let quote = |byte: u8| match byte {
        b'_' | b'.' | b'-' | b'~' | b'/' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(quote).collect()
}

fn with_broken_bytes_as_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text += chunk.valid();
        text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    text
}
