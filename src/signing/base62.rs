//! The notation of timestamps: `0-9A-Za-z`, and a minus sign.

use super::Error;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Writes a number in base 62: `django.core.signing.b62_encode`.
///
/// ```
/// use actix_django_session::signing::b62_encode;
///
/// assert_eq!(b62_encode(1_700_000_000), "1r31eq");
/// assert_eq!(b62_encode(-62), "-10");
/// ```
pub fn b62_encode(number: i128) -> String {
    let mut rest = number.unsigned_abs();
    let mut digits = Vec::with_capacity(8);
    loop {
        digits.push(char::from(ALPHABET[(rest % 62) as usize]));
        rest /= 62;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        digits.push('-');
    }
    digits.into_iter().rev().collect()
}

/// Reads a number in base 62: `django.core.signing.b62_decode`.
///
/// Python's integers are unbounded. Here, a number outside `i128` becomes the nearest bound.
///
/// # Errors
///
/// [`Error::BadTimestamp`] for an empty text or a character outside the alphabet. `"-"` alone is 0,
/// as in Django.
pub fn b62_decode(text: &str) -> Result<i128, Error> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None if text.is_empty() => return Err(Error::BadTimestamp),
        None => (false, text),
    };
    let mut number = 0_i128;
    for digit in digits.bytes() {
        let digit = value_of(digit).ok_or(Error::BadTimestamp)?;
        let digit = i128::from(if negative { -digit } else { digit });
        number = number.saturating_mul(62).saturating_add(digit);
    }
    Ok(number)
}

fn value_of(digit: u8) -> Option<i8> {
    let value = match digit {
        b'0'..=b'9' => digit - b'0',
        b'A'..=b'Z' => digit - b'A' + 10,
        b'a'..=b'z' => digit - b'a' + 36,
        _ => return None,
    };
    i8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways() {
        for (number, text) in [
            (0, "0"),
            (61, "z"),
            (62, "10"),
            (1_700_000_000, "1r31eq"),
            (1 << 31, "2LKcb2"),
            (1 << 63, "AzL8n0Y58m8"),
            (-62, "-10"),
        ] {
            assert_eq!(b62_encode(number), text);
            assert_eq!(b62_decode(text), Ok(number));
        }
        for number in [i128::MIN, i128::MAX] {
            assert_eq!(b62_decode(&b62_encode(number)), Ok(number));
        }
    }

    #[test]
    fn odd_spellings_that_django_reads() {
        for (text, number) in [("00", 0), ("0001uJ", 7335), ("-", 0), ("-0", 0)] {
            assert_eq!(b62_decode(text), Ok(number), "{text:?}");
        }
        assert_eq!(b62_decode(&"z".repeat(1000)), Ok(i128::MAX));
        assert_eq!(b62_decode(&format!("-{}", "z".repeat(1000))), Ok(i128::MIN));
    }

    #[test]
    fn spellings_that_django_refuses() {
        for text in ["", " ", "_", "+1", "é", "--1", "1-", "1\n", " 1"] {
            assert_eq!(b62_decode(text), Err(Error::BadTimestamp), "{text:?}");
        }
    }
}
