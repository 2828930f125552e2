//! The body of a signed object: JSON, perhaps compressed, as base64.

use serde::de::DeserializeOwned;

use super::{Error, b64, json, zlib};

/// The default limit on the decompressed size of an object: 16 MiB.
///
/// Django has no such limit. Only a client with a signed value can reach it, but a session of a few
/// kilobytes can decompress to gigabytes.
pub const DEFAULT_MAX_DECOMPRESSED_SIZE: usize = 16 << 20;

/// Encodes JSON text as the body that is signed.
pub(super) fn encode(text: &str, compress: bool) -> String {
    let text = json::to_ascii(text);
    let compressed = if compress { zlib::compress(text.as_bytes()) } else { None };
    // Room for a timestamp and a signature, which the caller adds.
    let mut body = String::with_capacity(text.len() / 3 * 4 + 64);
    match compressed {
        Some(data) => {
            body.push('.');
            b64::encode_into(&data, &mut body);
        }
        None => b64::encode_into(text.as_bytes(), &mut body),
    }
    body
}

/// Decodes a body whose signature was checked to text, which may or may not be JSON.
pub(super) fn decode(body: &str, max_decompressed_size: usize) -> Result<String, Error> {
    let data = match body.strip_prefix('.') {
        Some(compressed) => zlib::decompress(&b64::decode(compressed)?, max_decompressed_size)?,
        None => b64::decode(body)?,
    };
    Ok(from_latin_1(data))
}

/// Parses exactly the text that Python accepts (serde_json has no limit on digits).
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    json::validate(text)?;
    serde_json::from_str(text)
        .map_err(|error| Error::Unrepresentable { line: error.line(), column: error.column() })
}

/// `data.decode("latin-1")`: each byte is a character. It copies nothing if all are ASCII.
fn from_latin_1(data: Vec<u8>) -> String {
    match String::from_utf8(data) {
        Ok(text) if text.is_ascii() => text,
        Ok(text) => text.bytes().map(char::from).collect(),
        Err(error) => error.as_bytes().iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_latin_1() {
        assert_eq!(from_latin_1(b"abc".to_vec()), "abc");
        assert_eq!(from_latin_1(b"\xe9".to_vec()), "é");
        assert_eq!(from_latin_1("é".as_bytes().to_vec()), "Ã©");
    }

    #[test]
    fn text_that_is_not_ascii_is_escaped_on_the_way_in() {
        let body = encode("\"é😀\"", false);
        assert_eq!(decode(&body, 0).unwrap(), r#""\u00e9\ud83d\ude00""#);
    }

    #[test]
    fn the_limit_is_about_compressed_bodies_only() {
        let text = format!("\"{}\"", "a".repeat(100));
        let error = Err(Error::TooLarge { limit: 101 });
        assert_eq!(decode(&encode(&text, true), 101), error);
        assert_eq!(decode(&encode(&text, true), 102).unwrap(), text);
        assert_eq!(decode(&encode(&text, false), 101).unwrap(), text);
    }

    #[test]
    fn sound_json_that_does_not_fit_is_not_called_corrupt() {
        let unfit = |text| matches!(parse::<String>(text), Err(Error::Unrepresentable { .. }));
        assert!(unfit("1") && unfit("NaN") && unfit(r#""\ud800""#));
        assert!(!unfit(r#""a""#) && !unfit("nan"));
        let digits = "9".repeat(4301);
        assert!(matches!(parse::<f64>(&digits), Err(Error::BadJson { .. })));
    }
}
