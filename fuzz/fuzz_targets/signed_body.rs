//! Any body with a right signature: base64, zlib and JSON of somebody who can sign, or of an older
//! programme. The first byte says what the rest is.

#![no_main]

use std::{io::Write, sync::LazyLock};

use actix_django_session::{
    DecodeError, DjangoSettings, SessionData, SessionSigner,
    signing::{Error, Signer, TimestampSigner},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::ZlibEncoder};
use libfuzzer_sys::fuzz_target;
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{DecompressorOxide, decompress, inflate_flags::*},
};

#[path = "../../tests/properties/reference.rs"]
mod reference;

use reference::{Json, parse_json};

const SECRET: &str = "secret";
const SALT: &str = "django.contrib.sessions.SessionStore";
/// Small, so that it can be reached.
const LIMIT: usize = 1 << 14;

static SIGNER: LazyLock<SessionSigner> = LazyLock::new(|| {
    let mut settings = DjangoSettings::new(SECRET);
    settings.max_decompressed_size = LIMIT;
    SessionSigner::new(&settings).unwrap()
});
static DJANGO: LazyLock<Signer> = LazyLock::new(|| Signer::new(SECRET).unwrap().salt(SALT));
static STAMPED: LazyLock<TimestampSigner> =
    LazyLock::new(|| TimestampSigner::new(SECRET).unwrap().salt(SALT));

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    match kind % 8 {
        // The body as it stands, and what stands in for a timestamp.
        0 => text_of(data).into_iter().for_each(any_signed_text),
        1 => text_of(data).into_iter().for_each(any_body),
        // A zlib stream, good or bad.
        2 | 3 => any_zlib_stream(data),
        // Bytes in a good one.
        4 | 5 => {
            let level = if kind % 2 == 0 { Compression::fast() } else { Compression::best() };
            let mut stream = ZlibEncoder::new(Vec::new(), level);
            stream.write_all(data).unwrap();
            let body = format!(".{}", URL_SAFE_NO_PAD.encode(stream.finish().unwrap()));
            match decode(&body) {
                Err(DecodeError::Signing(Error::TooLarge { limit: LIMIT, .. })) => {
                    assert!(data.len() > LIMIT);
                }
                decoded => {
                    assert!(data.len() <= LIMIT);
                    is_json_of(data, decoded);
                }
            }
        }
        // Bytes in base64: no limit.
        _ => is_json_of(data, decode(&URL_SAFE_NO_PAD.encode(data))),
    }
});

fn text_of(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn decode(body: &str) -> Result<SessionData, DecodeError> {
    let session_data = STAMPED.sign_at(body, 1_700_000_000);
    let decoded = SessionData::decode(&session_data, &SIGNER);
    let is_bad = matches!(decoded, Err(DecodeError::Signing(Error::BadSignature(_))));
    assert!(!is_bad, "the signature is right");
    decoded
}

fn any_signed_text(text: &str) {
    let decoded = SessionData::decode(&DJANGO.sign(text), &SIGNER);
    // The timestamp has to be readable, whatever it says.
    let is_stamped = text.rsplit_once(':').is_some_and(|(_, stamp)| {
        let digits = stamp.strip_prefix('-').unwrap_or(stamp);
        !stamp.is_empty() && digits.chars().all(|c| c.is_ascii_alphanumeric())
    });
    let is_bad = matches!(decoded, Err(DecodeError::Signing(Error::BadTimestamp)));
    assert_eq!(is_bad, !is_stamped, "{text:?}");
}

/// What Python's base64 skips makes no difference, so long as the length asks for the same padding.
fn any_body(body: &str) {
    let foreign = "!\u{e9}~";
    assert_eq!(foreign.len(), 4);
    // Not in front of the dot that says "compressed".
    let (dot, rest) = body.split_at(usize::from(body.starts_with('.')));
    let (left, right) = rest.split_at(rest.floor_char_boundary(rest.len() / 2));
    match (decode(body), decode(&[dot, left, foreign, right].concat())) {
        (Ok(one), Ok(other)) => assert_eq!(one.to_json(), other.to_json()),
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => panic!("{body:?}: {one:?}, {other:?}"),
    }
}

fn any_zlib_stream(stream: &[u8]) {
    let decoded = decode(&format!(".{}", URL_SAFE_NO_PAD.encode(stream)));
    // Another implementation. When fuzzing, it leaves the checksum to its caller.
    let mut inflate = DecompressorOxide::new();
    let mut data = vec![0; LIMIT + 1];
    let flags = TINFL_FLAG_PARSE_ZLIB_HEADER
        | TINFL_FLAG_COMPUTE_ADLER32
        | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, _, length) = decompress(&mut inflate, stream, &mut data, 0, flags);
    let is_whole = status == TINFLStatus::Done && inflate.adler32() == inflate.adler32_header();
    match decoded {
        Err(DecodeError::Signing(Error::TooLarge { .. })) => assert_eq!(length, LIMIT + 1),
        Err(DecodeError::Signing(Error::BadZlib)) => assert!(!is_whole, "{stream:?}"),
        decoded => {
            assert!(is_whole && length <= LIMIT, "{status:?} {stream:?}");
            is_json_of(&data[..length], decoded);
        }
    }
}

/// These bytes are latin-1 for Python, whatever they were meant to be.
fn is_json_of(data: &[u8], decoded: Result<SessionData, DecodeError>) {
    let text: String = data.iter().copied().map(char::from).collect();
    let expected = parse_json(&text);
    match decoded {
        Ok(decoded) => {
            assert_eq!(decoded.to_json(), text);
            let Some(Json::Dictionary(entries)) = expected else {
                panic!("no dictionary: {text:?}");
            };
            assert_eq!(decoded.len(), entries.len());
            for ((key, value), (expected_key, expected_value)) in decoded.iter().zip(&entries) {
                assert_eq!(key, reference::show(expected_key));
                assert_eq!(value, *expected_value);
            }
            // Written and read again: the same, but in ASCII.
            let again = SessionData::decode(&decoded.encode(&SIGNER), &SIGNER);
            match again {
                Ok(again) => assert_eq!(again.to_json(), reference::ascii_json(&text)),
                Err(DecodeError::Signing(Error::TooLarge { .. })) => {}
                Err(error) => panic!("{error}: {text:?}"),
            }
        }
        Err(DecodeError::NotADictionary) => assert_eq!(expected, Some(Json::Other), "{text:?}"),
        Err(DecodeError::Signing(Error::BadJson { position, .. })) => {
            assert!(position <= text.len());
            assert_eq!(expected, None, "{text:?}");
        }
        Err(DecodeError::Signing(Error::JsonTooDeep { .. })) => assert_eq!(expected, None),
        Err(other) => panic!("{other}: {text:?}"),
    }
}
