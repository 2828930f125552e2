//! Base64 as Django writes it (URL-safe, no padding) and as Python reads it.

use std::iter;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::Error;

/// `django.core.signing.b64_encode`, added to the end of `text`.
pub(super) fn encode_into(data: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(data, text);
}

/// `django.core.signing.b64_decode`.
///
/// Text that Django wrote takes the fast path; all other text is read as leniently as in Python.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(text).or_else(|_| {
        let padding = iter::repeat_n(b'=', text.len().wrapping_neg() % 4);
        lenient(text.bytes().chain(padding), value_of)
    })
}

/// `base64.b64decode(text)`: as lenient, but only the standard alphabet, and padding must be present.
pub(crate) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let value = |byte| if matches!(byte, b'-' | b'_') { None } else { value_of(byte) };
    lenient(text.iter().copied(), value).ok()
}

/// Decodes `text` into `buffer` if it is exactly what [`encode_into`] would write for the result:
/// no padding, no stray bits. `None` also when the buffer is too small.
pub(super) fn decode_exact<'a>(text: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let length = URL_SAFE_NO_PAD.decode_slice(text, buffer).ok()?;
    buffer.get(..length)
}

/// Decodes these characters as Python does: it skips foreign ones, ignores unused bits of the last
/// character, and stops at padding that completes a group of four.
fn lenient(
    text: impl Iterator<Item = u8>,
    value_of: impl Fn(u8) -> Option<u8>,
) -> Result<Vec<u8>, Error> {
    let mut data = Vec::with_capacity(text.size_hint().0 / 4 * 3 + 3);
    let mut in_group = 0_u8;
    let mut pads = 0_u8;
    let mut left = 0_u8;
    for byte in text {
        if byte == b'=' {
            if in_group >= 2 {
                pads += 1;
                if in_group + pads >= 4 {
                    return Ok(data);
                }
            }
            continue;
        }
        let Some(six_bits) = value_of(byte) else {
            continue;
        };
        pads = 0;
        match in_group {
            0 => {}
            1 => data.push(left << 2 | six_bits >> 4),
            2 => data.push(left << 4 | six_bits >> 2),
            _ => data.push(left << 6 | six_bits),
        }
        left = six_bits;
        in_group = (in_group + 1) % 4;
    }
    if in_group == 0 { Ok(data) } else { Err(Error::BadBase64) }
}

fn value_of(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Base64 leniency (S15): the results are those of CPython 3.11 to 3.13.0. Later ones read on after
    // padding.
    #[test]
    fn reads_what_python_reads() {
        for (text, data) in [
            ("", Some("")),
            ("YWJj", Some("abc")),
            ("YW!Jj", Some("abc")),
            ("YW Jj", Some("abc")),
            ("YWJj=", Some("abc")),
            ("YW=Jj===", Some("abc")),
            ("\u{ff}YWJj", Some("abc")),
            ("YR", Some("a")),
            ("YQ==", Some("a")),
            ("YQ==YQ==", Some("a")),
            ("Y=Q==", Some("a")),
            ("YQ=x=", Some("a\x0c")),
            ("YW=J=j=Y==", Some("ab")),
            ("Pj4-Pz8_", Some(">>>???")),
            ("Pj4+Pz8/", Some(">>>???")),
            ("Y", None),
            ("Y===", None),
            ("YWJjY", None),
            ("YW!", None),
            ("Y=Q=", None),
            ("=WJj", None),
            ("YQ=x", None),
        ] {
            let expected = data.map(|d| d.as_bytes().to_vec()).ok_or(Error::BadBase64);
            assert_eq!(decode(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_fast_path_and_the_lenient_one_agree() {
        for length in 0..64 {
            let data: Vec<u8> = (0..length).map(|i: u8| i.wrapping_mul(37)).collect();
            let mut text = String::new();
            encode_into(&data, &mut text);
            assert_eq!(decode(&text).unwrap(), data);
            let padding = iter::repeat_n(b'=', text.len().wrapping_neg() % 4);
            assert_eq!(lenient(text.bytes().chain(padding), value_of).unwrap(), data);
        }
    }

    #[test]
    fn the_fast_path_accepts_one_spelling_only() {
        let mut buffer = [0; 4];
        assert_eq!(decode_exact("YQ", &mut buffer), Some(&b"a"[..]));
        for text in ["YR", "YQ==", "YQ ", "Y", "Pj4+", "YWJjYWJj"] {
            assert_eq!(decode_exact(text, &mut buffer), None, "{text:?}");
        }
    }
}
