//! The inside of a JSON string.

use std::borrow::Cow;

/// Resolves the escapes of a scanned string's inner text.
///
/// The result is generalised UTF-8 (WTF-8): a lone surrogate, which Python strings can hold, has
/// three bytes of its own. So two strings are equal in Python if and only if these bytes are.
pub(crate) fn unescape(inner: &str) -> Cow<'_, [u8]> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner.as_bytes());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = resolve(escape, &mut bytes);
    }
    bytes.extend_from_slice(rest.as_bytes());
    Cow::Owned(bytes)
}

/// [`unescape`] as text; `None` if the string has a lone surrogate.
pub(crate) fn unescape_to_str(inner: &str) -> Option<Cow<'_, str>> {
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    // Only a lone surrogate makes generalised UTF-8 invalid.
    let text = String::from_utf8(unescape(inner).into_owned()).ok()?;
    Some(Cow::Owned(text))
}

/// Appends the character of an escape; `escape` begins after the backslash. Returns the text after the
/// escape.
fn resolve<'a>(escape: &'a str, bytes: &mut Vec<u8>) -> &'a str {
    let mut rest = escape.chars();
    match rest.next() {
        Some('u') => return resolve_unicode(rest.as_str(), bytes),
        Some('b') => bytes.push(0x08),
        Some('f') => bytes.push(0x0c),
        Some('n') => bytes.push(b'\n'),
        Some('r') => bytes.push(b'\r'),
        Some('t') => bytes.push(b'\t'),
        // Only a quote, a slash or a backslash is left, because the text was scanned.
        Some(itself) => push(u32::from(itself), bytes),
        None => {}
    }
    rest.as_str()
}

fn resolve_unicode<'a>(digits: &'a str, bytes: &mut Vec<u8>) -> &'a str {
    let Some((high, rest)) = code_unit(digits) else {
        return digits;
    };
    if (0xd800..0xdc00).contains(&high)
        && let Some((low, rest)) = rest.strip_prefix("\\u").and_then(code_unit)
        && (0xdc00..0xe000).contains(&low)
    {
        push(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), bytes);
        return rest;
    }
    push(high, bytes);
    rest
}

fn code_unit(digits: &str) -> Option<(u32, &str)> {
    let (digits, rest) = digits.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

fn push(code_point: u32, bytes: &mut Vec<u8>) {
    match char::from_u32(code_point) {
        Some(character) => {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        // A surrogate, in the three bytes that UTF-8 would give it.
        None => bytes.extend([
            0xe0 | (code_point >> 12) as u8,
            0x80 | (code_point >> 6 & 0x3f) as u8,
            0x80 | (code_point & 0x3f) as u8,
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved() {
        for (inner, text) in [
            ("", ""),
            ("plain é", "plain é"),
            (r"\u0061", "a"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\x08\x0c\n\r\t"),
            (r"x\u00E9y\u007fz", "xéy\x7fz"),
            (r"\ud83d\ude00", "😀"),
            (r"\\u0061", "\\u0061"),
        ] {
            assert_eq!(unescape(inner), text.as_bytes(), "{inner}");
            assert_eq!(unescape_to_str(inner).unwrap(), text, "{inner}");
        }
        assert!(matches!(unescape("é"), Cow::Borrowed(_)));
        assert!(matches!(unescape_to_str("é"), Some(Cow::Borrowed(_))));
    }

    #[test]
    fn lone_surrogates_stay_what_they_are() {
        for (inner, bytes) in [
            (r"\ud800", &b"\xed\xa0\x80"[..]),
            (r"\udfff", b"\xed\xbf\xbf"),
            (r"\ude00\ud83d", b"\xed\xb8\x80\xed\xa0\xbd"),
            (r"\ud83d\ud83d\ude00", b"\xed\xa0\xbd\xf0\x9f\x98\x80"),
            (r"\ud83dx\ude00", b"\xed\xa0\xbdx\xed\xb8\x80"),
        ] {
            assert_eq!(unescape(inner), bytes, "{inner}");
            assert_eq!(unescape_to_str(inner), None, "{inner}");
        }
    }

    #[test]
    fn text_that_was_not_scanned_does_no_harm() {
        for inner in ["\\", "\\u", "\\u12", "\\uéé", "\\ud83d\\", "\\ud83d\\u", "\\é"] {
            let _ = unescape(inner);
        }
    }
}
