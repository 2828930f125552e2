//! The secret in the cookie, and the tokens that are made from it.

use std::{fmt, sync::Arc};

use crate::{
    crypto::{LETTERS_AND_DIGITS, constant_time_compare, get_random_string},
    error::CsrfTokenFault,
};

/// `CSRF_SECRET_LENGTH` and `CSRF_TOKEN_LENGTH`.
const SECRET_LENGTH: usize = 32;
const TOKEN_LENGTH: usize = 2 * SECRET_LENGTH;

/// A CSRF secret: 32 letters and digits.
///
/// Anyone who knows it can send forms in the name of the visitor, so `Debug` does not show it.
#[derive(Clone)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    /// Creates a random secret.
    pub(crate) fn new() -> Self {
        Self(get_random_string(SECRET_LENGTH, LETTERS_AND_DIGITS).into())
    }

    /// Reads a secret from a cookie, a form or a header, where it may be masked:
    /// `_check_token_format`, then `_unmask_cipher_token`.
    pub(crate) fn read(text: &str) -> Result<Self, CsrfTokenFault> {
        let is_length = |length| [SECRET_LENGTH, TOKEN_LENGTH].contains(&length);
        // All bytes are looked at, which is quicker than to stop at the first wrong one.
        if !text.bytes().fold(true, |all, byte| all & byte.is_ascii_alphanumeric()) {
            // Rules C2 and C29: the length is checked first, in code points.
            return Err(match is_length(text.chars().count()) {
                true => CsrfTokenFault::InvalidCharacters,
                false => CsrfTokenFault::IncorrectLength,
            });
        }
        if !is_length(text.len()) {
            return Err(CsrfTokenFault::IncorrectLength);
        }
        Ok(match text.split_at(SECRET_LENGTH) {
            (_, "") => Self(text.into()),
            (mask, cipher) => {
                let unmasked = combined(cipher, mask, |cipher, mask| {
                    (cipher + LETTERS_AND_DIGITS.len() - mask) % LETTERS_AND_DIGITS.len()
                });
                Self(unmasked.into())
            }
        })
    }

    /// The text for the cookie.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a token for a page: a different one each time, so that compression does not reveal
    /// the secret.
    pub(crate) fn masked(&self) -> String {
        self.masked_with(&get_random_string(SECRET_LENGTH, LETTERS_AND_DIGITS))
    }

    /// `_mask_cipher_secret`.
    fn masked_with(&self, mask: &str) -> String {
        let cipher =
            combined(&self.0, mask, |secret, mask| (secret + mask) % LETTERS_AND_DIGITS.len());
        [mask, &cipher].concat()
    }

    /// Whether the token belongs to this secret, in constant time: `_does_token_match`.
    pub(crate) fn matches(&self, token: &str) -> Result<(), CsrfTokenFault> {
        let Self(secret) = Self::read(token)?;
        constant_time_compare(secret.as_bytes(), self.0.as_bytes())
            .then_some(())
            .ok_or(CsrfTokenFault::Incorrect)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The index of a character in the alphabet.
fn index(byte: u8) -> Option<usize> {
    let (first, offset) = match byte {
        b'a'..=b'z' => (b'a', 0),
        b'A'..=b'Z' => (b'A', 26),
        b'0'..=b'9' => (b'0', 52),
        _ => return None,
    };
    Some(usize::from(byte - first) + offset)
}

fn combined(one: &str, other: &str, combine: impl Fn(usize, usize) -> usize) -> String {
    let pairs = one.bytes().filter_map(index).zip(other.bytes().filter_map(index));
    pairs.map(|(one, other)| char::from(LETTERS_AND_DIGITS[combine(one, other)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csrf::vectors::{expect, of_kind, text};

    #[test]
    fn masks_are_the_same_as_in_django() {
        let mut seen = 0;
        for vector in of_kind("mask") {
            let secret = Secret::read(text(&vector, "secret")).unwrap();
            assert_eq!(secret.masked_with(text(&vector, "mask")), expect(&vector), "{vector}");
            seen += 1;
        }
        for vector in of_kind("unmask") {
            let secret = Secret::read(text(&vector, "token")).unwrap();
            assert_eq!(secret.as_str(), expect(&vector), "{vector}");
            seen += 1;
        }
        assert_eq!(seen, 40);
    }

    #[test]
    fn the_format_is_checked_as_django_checks_it() {
        let mut seen = 0;
        for vector in of_kind("format") {
            let verdict = match Secret::read(text(&vector, "token")) {
                Ok(_) => "ok".to_owned(),
                Err(fault) => fault.to_string(),
            };
            assert_eq!(verdict, expect(&vector), "{vector}");
            seen += 1;
        }
        assert_eq!(seen, 38);
    }

    #[test]
    fn every_mask_of_a_secret_is_a_token_of_it() {
        let (secret, other) = (Secret::new(), Secret::new());
        let (one, another) = (secret.masked(), secret.masked());
        assert_ne!(one, another);
        for token in [one.as_str(), &another, secret.as_str()] {
            assert_eq!(secret.matches(token), Ok(()));
            assert_eq!(other.matches(token), Err(CsrfTokenFault::Incorrect));
        }
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
