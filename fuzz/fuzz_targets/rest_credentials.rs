//! Any `Authorization` header, and any JWT that is rightly signed: header and claims, a line each.

#![no_main]

use actix_django_session::fuzzing::{basic, jwt, token};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use ring::hmac;

const NOW: u64 = 1_000;

fuzz_target!(|data: &[u8]| {
    let is_of = |scheme: &[u8]| {
        let mut words = data.split(|byte| byte.is_ascii_whitespace() || *byte == 0x0b);
        let first = words.find(|word| !word.is_empty()).unwrap_or_default();
        first.eq_ignore_ascii_case(scheme)
    };
    // Another scheme is never refused, and this one never passed over.
    assert_eq!(basic(data) == Ok(None), !is_of(b"basic"));
    assert_eq!(token(data) == Ok(None), !is_of(b"token"));
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    if let Ok(Some(_)) = jwt(data, NOW) {
        let token = data.trim_ascii().split(u8::is_ascii_whitespace).next_back().unwrap();
        let dot = token.iter().rposition(|byte| *byte == b'.').unwrap();
        let end = token[dot + 1..].trim_ascii_end();
        let end = end.strip_suffix(b"=").unwrap_or(end);
        let signature = URL_SAFE_NO_PAD.decode(end).unwrap();
        hmac::verify(&key, &token[..dot], &signature).unwrap();
    }

    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(claims)) = (lines.next(), lines.next()) else { return };
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
    let header = format!("Bearer {text}.{signature}");
    if let Ok(Some(claims)) = jwt(header.as_bytes(), NOW) {
        // It has an end, and only until then it holds.
        if let Ok(claims) = serde_json::from_str::<serde_json::Value>(&claims)
            && let Some(exp) = claims["exp"].as_f64()
        {
            assert!(exp >= (NOW + 1) as f64, "{exp}");
            assert!(jwt(header.as_bytes(), exp as u64).is_err(), "{exp}");
        }
    }
});
