//! `django.utils.crypto.salted_hmac`, on which all signing is built.

use std::fmt;

use ring::{digest, hmac};

/// A hash function of Django's signers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// `"sha1"`: of Django before 3.1, and still the default of `salted_hmac`.
    Sha1,
    /// `"sha256"`: the default of Django's signers.
    #[default]
    Sha256,
    /// `"sha384"`.
    Sha384,
    /// `"sha512"`.
    Sha512,
}

impl Algorithm {
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// The longest digest of any [`Algorithm`], in bytes.
pub(super) const MAX_DIGEST_SIZE: usize = 64;

/// Computes `django.utils.crypto.salted_hmac(key_salt, value, secret, algorithm=..).digest()`.
///
/// Django's default algorithm for this function is SHA-1; its signers and its session auth hash use
/// SHA-256. An empty secret is allowed, as in Django.
///
/// ```
/// use actix_django_session::signing::{Algorithm, salted_hmac};
///
/// let digest = salted_hmac("salt", "value", "my secret", Algorithm::Sha256);
/// assert_eq!(digest.len(), 32);
/// ```
pub fn salted_hmac(
    key_salt: impl AsRef<[u8]>,
    value: impl AsRef<[u8]>,
    secret: impl AsRef<[u8]>,
    algorithm: Algorithm,
) -> Vec<u8> {
    SaltedHmac::new(key_salt, secret, algorithm).digest(value)
}

/// Computes [`salted_hmac`] of many values, with its key derived once.
///
/// ```
/// use actix_django_session::signing::{Algorithm, SaltedHmac};
///
/// let hmac = SaltedHmac::new("salt", "my secret", Algorithm::Sha256);
/// let hex = hmac.hexdigest("value");
/// assert!(hmac.verify_hex("value", &hex));
/// assert!(!hmac.verify_hex("value", &hex.to_uppercase()));
/// ```
#[derive(Clone)]
pub struct SaltedHmac {
    key: hmac::Key,
}

impl SaltedHmac {
    /// Derives the key from the salt and the secret.
    pub fn new(key_salt: impl AsRef<[u8]>, secret: impl AsRef<[u8]>, algorithm: Algorithm) -> Self {
        let mut context = digest::Context::new(algorithm.digest());
        context.update(key_salt.as_ref());
        context.update(secret.as_ref());
        let key = hmac::Key::new(algorithm.hmac(), context.finish().as_ref());
        Self { key }
    }

    /// Returns the raw digest of `value`: Python's `.digest()`.
    pub fn digest(&self, value: impl AsRef<[u8]>) -> Vec<u8> {
        self.tag(value.as_ref()).as_ref().to_vec()
    }

    /// Returns the digest of `value` in lower-case hexadecimal: Python's `.hexdigest()`.
    pub fn hexdigest(&self, value: impl AsRef<[u8]>) -> String {
        let tag = self.tag(value.as_ref());
        let mut hex = String::with_capacity(2 * tag.as_ref().len());
        for byte in tag.as_ref() {
            hex.push(hex_digit(byte >> 4));
            hex.push(hex_digit(byte & 15));
        }
        hex
    }

    /// Returns whether `hex` is exactly [`hexdigest`](Self::hexdigest) of `value`, compared in constant
    /// time. Upper-case digits do not match, as in Django.
    pub fn verify_hex(&self, value: impl AsRef<[u8]>, hex: &str) -> bool {
        let mut buffer = [0; MAX_DIGEST_SIZE];
        match decode_hex(hex, &mut buffer) {
            Some(digest) => self.verify(value.as_ref(), digest),
            None => false,
        }
    }

    /// Returns whether `digest` is that of `value`, compared in constant time.
    pub(super) fn verify(&self, value: &[u8], digest: &[u8]) -> bool {
        hmac::verify(&self.key, value, digest).is_ok()
    }

    pub(super) fn tag(&self, value: &[u8]) -> hmac::Tag {
        hmac::sign(&self.key, value)
    }
}

impl fmt::Debug for SaltedHmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaltedHmac").finish_non_exhaustive()
    }
}

fn hex_digit(value: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(value & 15)])
}

fn decode_hex<'a>(hex: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let (pairs, odd) = hex.as_bytes().as_chunks::<2>();
    let digest = buffer.get_mut(..pairs.len())?;
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = hex_value(*high)? << 4 | hex_value(*low)?;
    }
    odd.is_empty().then_some(digest)
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_hex_text_matches() {
        let hmac = SaltedHmac::new("s", "k", Algorithm::Sha256);
        let right = "de1116ea8310f146acd6526cce1ab66b438f91abb9adb186b2e85fb8500b9d27";
        assert_eq!(hmac.hexdigest("v"), right);
        assert!(hmac.verify_hex("v", right));
        assert!(!hmac.verify_hex("w", right));
        let longer = [right, "00"].concat();
        let beyond_the_buffer = right.repeat(3);
        for wrong in [
            "",
            "d",
            "é",
            &right[1..],
            &right[..62],
            &right[..63],
            &right.to_uppercase(),
            &longer,
            &beyond_the_buffer,
        ] {
            assert!(!hmac.verify_hex("v", wrong), "{wrong:?}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let hmac = SaltedHmac::new("s", "k", Algorithm::Sha1);
        assert_eq!(format!("{hmac:?}"), "SaltedHmac { .. }");
    }
}
