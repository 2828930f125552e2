//! The structure of a JWT: a header that names the algorithm, the claims, and the signature.

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::keys::VerifyingKey;
use crate::{session::SessionData, signing::json};

/// Reads only what an encoder writes: refuses another text that decodes to the same bytes. Rule X3
/// of docs/rest-semantics.md: packages differ in what they do with such a text.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The claims of a token that this key has signed with this algorithm; `None` for any other text.
///
/// Mirrors PyJWT 2.15, but header and claims must be UTF-8: PyJWT also reads UTF-16, UTF-32 and
/// lone surrogates.
pub(super) fn verified(token: &[u8], algorithm: &str, key: &VerifyingKey) -> Option<SessionData> {
    let last_dot = memchr::memrchr(b'.', token)?;
    let (signed, signature) = (&token[..last_dot], &token[last_dot + 1..]);
    let first_dot = memchr::memchr(b'.', signed)?;
    let header = object(decode(&signed[..first_dot])?)?;
    if !is_understood(&header) || text(&header, "alg").as_deref() != Some(algorithm) {
        return None;
    }
    let claims = decode(&signed[first_dot + 1..])?;
    if !key.verifies(signed, &decode(signature)?) {
        return None;
    }
    object(claims)
}

/// Whether this crate supports everything that the header requires: `kid` is text, and each
/// critical extension is known.
fn is_understood(header: &SessionData) -> bool {
    let has = |name: &str| header.get_json(name).is_some();
    let is_known = |name: &String| name == "b64" && has("b64");
    let critical = || header.get::<Vec<String>>("crit").ok().flatten();
    (!has("kid") || is_text(header, "kid"))
        && (!has("crit") || critical().is_some_and(|all| !all.is_empty() && all.iter().all(is_known)))
        // Then the claims would not be encoded.
        && header.get_json("b64") != Some("false")
}

fn decode(part: &[u8]) -> Option<Vec<u8>> {
    let is_padded = part.ends_with(b"=");
    if is_padded && !part.len().is_multiple_of(4) {
        return None;
    }
    BASE64.decode(part).ok()
}

/// A dictionary, by Python's rules for JSON.
fn object(bytes: Vec<u8>) -> Option<SessionData> {
    let text = String::from_utf8(bytes).ok()?;
    SessionData::from_json(text.strip_prefix('\u{feff}').unwrap_or(&text)).ok()
}

/// Whether the value is text. It can contain lone surrogates.
pub(super) fn is_text(object: &SessionData, name: &str) -> bool {
    object.get_json(name).is_some_and(|json| json.starts_with('"'))
}

/// The value, if it is text.
pub(super) fn text(object: &SessionData, name: &str) -> Option<String> {
    let quoted = object.get_json(name)?.strip_prefix('"')?.strip_suffix('"')?;
    json::unescape_to_str(quoted).map(Into::into)
}
