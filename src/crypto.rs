//! `django.utils.crypto`: random text, and comparison in constant time.

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

/// `RANDOM_STRING_CHARS`: the alphabet of `get_random_string` unless another is given.
pub(crate) const LETTERS_AND_DIGITS: &[u8; 62] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Random bytes.
///
/// # Panics
/// If the operating system gives no random numbers.
pub(crate) fn random_bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}

/// Random text of this many characters from an alphabet, which is ASCII and has at most 256 characters.
///
/// # Panics
/// If the operating system gives no random numbers.
pub(crate) fn get_random_string(length: usize, alphabet: &[u8]) -> String {
    // Bytes beyond the largest multiple would favour some characters.
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes = random_bytes::<32>();
        let fair = bytes.into_iter().map(usize::from).filter(|byte| *byte < fair);
        let letters = fair.map(|byte| char::from(alphabet[byte % alphabet.len()]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

/// Whether both are equal, in a time that depends only on their lengths.
pub(crate) fn constant_time_compare(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    // Digests of equal length are compared, with the function of ring made for that.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"constant_time_compare");
    hmac::verify(&key, a.as_ref(), hmac::sign(&key, b.as_ref()).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn random_text_has_its_length_and_uses_every_letter_alike() {
        for length in [0, 1, 31, 32, 33, 100] {
            assert_eq!(get_random_string(length, LETTERS_AND_DIGITS).len(), length);
        }
        let mut seen = BTreeMap::new();
        for letter in get_random_string(62_000, LETTERS_AND_DIGITS).chars() {
            *seen.entry(letter).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), LETTERS_AND_DIGITS.len());
        // 1000 each, give or take nine standard deviations.
        assert!(seen.values().all(|count| (720..1280).contains(count)), "{seen:?}");
    }

    #[test]
    fn only_the_same_text_is_equal() {
        assert!(constant_time_compare("", ""));
        assert!(constant_time_compare("secret", b"secret"));
        assert!(!constant_time_compare("secret", "secret "));
        assert!(!constant_time_compare("secret", "Secret"));
    }
}
