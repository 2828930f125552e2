//! `django.utils.crypto`: random text.

use ring::rand::{SecureRandom, SystemRandom};

/// Random text of that many characters of an alphabet, which is ASCII and has at most 256 of them.
///
/// # Panics
/// If the operating system gives no random numbers.
pub(crate) fn get_random_string(length: usize, alphabet: &[u8]) -> String {
    // Beyond the largest multiple in a byte, some letters would come up more.
    let fair = 256 - 256 % alphabet.len();
    let random = SystemRandom::new();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; 32];
        random.fill(&mut bytes).expect("the operating system has random numbers");
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        let letters = fair.map(|byte| char::from(alphabet[byte % alphabet.len()]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const LETTERS_AND_DIGITS: &[u8] =
        b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

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
}
