//! `sign` and `unsign`, objects, timestamps, base 62.

use actix_django_session::signing::{
    Algorithm, BadSignature, Error, Signer, TimestampSigner, b62_decode, b62_encode, to_json,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;

use super::{cases, json::value};

fn secret() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..100)
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        Just(Algorithm::Sha1),
        Just(Algorithm::Sha256),
        Just(Algorithm::Sha384),
        Just(Algorithm::Sha512),
    ]
}

/// Separators that cannot be part of a signature; often ones that come up in values too.
fn sep() -> impl Strategy<Value = String> {
    prop_oneof![Just(":".to_owned()), Just("::".to_owned()), "[:. é]{1,3}", "\\PC{0,3}[:/ ]"]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[:. é=A-Za-z0-9_-]{0,40}"]
}

fn signer() -> impl Strategy<Value = Signer> {
    (secret(), text(), sep(), algorithm()).prop_map(|(secret, salt, sep, algorithm)| {
        let signer = Signer::new(secret).unwrap().salt(&salt).algorithm(algorithm);
        signer.sep(&sep).unwrap()
    })
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_was_signed_is_read(signer in signer(), value in text()) {
        let signed = signer.sign(&value);
        prop_assert!(signed.starts_with(&value) && signed.ends_with(&signer.signature(&value)));
        prop_assert_eq!(signer.unsign(&signed), Ok(value.as_str()));
    }

    /// A character removed, inserted or replaced, at each place.
    #[test]
    fn no_change_goes_unnoticed(signer in signer(), value in text(), other in any::<char>()) {
        let signed = signer.sign(&value);
        for (at, was) in signed.char_indices() {
            let (before, from_here) = signed.split_at(at);
            let behind = &from_here[was.len_utf8()..];
            // One that many a decoder treats as equal.
            let alike = match was {
                '-' => '+',
                '_' => '/',
                'A'..='Z' => was.to_ascii_lowercase(),
                'a'..='z' => was.to_ascii_uppercase(),
                _ => char::from_u32(was as u32 ^ 1).unwrap_or('='),
            };
            for changed in [
                [before, behind].concat(),
                format!("{before}{other}{from_here}"),
                format!("{before}{other}{behind}"),
                format!("{before}{alike}{behind}"),
            ] {
                if changed != signed {
                    prop_assert_eq!(signer.unsign(&changed), Err(BadSignature), "{:?}", changed);
                }
            }
        }
        for end in ["=", " ", "\n", "\0", "A", "\u{301}"] {
            prop_assert!(signer.unsign(&(signed.clone() + end)).is_err());
        }
    }

    #[test]
    fn unsigned_text_is_not_accepted(signer in signer(), text in any::<String>()) {
        prop_assert_eq!(signer.unsign(&text), Err(BadSignature));
    }

    #[test]
    fn another_secret_salt_or_algorithm_is_another_signature(
        one in (secret(), "[a-c]{1,4}", algorithm()),
        other in (secret(), "[a-c]{1,4}", algorithm()),
        value in text(),
    ) {
        let signer = |(secret, salt, algorithm): &(Vec<u8>, String, Algorithm)| {
            Signer::new(secret).unwrap().salt(salt).algorithm(*algorithm)
        };
        let signed = signer(&one).sign(&value);
        prop_assert_eq!(signer(&other).unsign(&signed).is_ok(), one == other);
    }

    #[test]
    fn any_listed_key_reads_and_the_first_one_signs(
        keys in vec(secret(), 1..6),
        of in any::<Index>(),
        unknown in secret(),
        value in text(),
    ) {
        let rotated = Signer::new(&keys[0]).unwrap().fallback_keys(&keys[1..]).unwrap();
        let signed = Signer::new(of.get(&keys)).unwrap().sign(&value);
        prop_assert_eq!(rotated.unsign(&signed), Ok(value.as_str()));
        prop_assert_eq!(rotated.sign(&value), Signer::new(&keys[0]).unwrap().sign(&value));
        if !keys.contains(&unknown) {
            let signed = Signer::new(unknown).unwrap().sign(&value);
            prop_assert_eq!(rotated.unsign(&signed), Err(BadSignature));
        }
    }

    #[test]
    fn a_value_is_too_old_from_its_second_on(
        value in text(),
        seconds in prop_oneof![any::<i32>().prop_map(i64::from), -10..10_i64],
        max_age in prop_oneof![0.0..100.0, Just(0.0), Just(10.0)],
        later in prop_oneof![-10.0..110.0, Just(0.0), Just(10.0)],
    ) {
        let signer = TimestampSigner::new("secret").unwrap();
        let signed = signer.sign_at(&value, seconds);
        prop_assert_eq!(signer.unsign_with_timestamp(&signed), Ok((value.as_str(), seconds)));
        prop_assert_eq!(signer.unsign_at(&signed, f64::MAX, None), Ok(value.as_str()));
        let now = seconds as f64 + later;
        let read = signer.unsign_at(&signed, now, Some(max_age));
        if now - seconds as f64 > max_age {
            prop_assert!(matches!(read, Err(Error::SignatureExpired(_))));
        } else {
            prop_assert_eq!(read, Ok(value.as_str()));
        }
    }

    #[test]
    fn any_time_can_be_signed(value in text(), seconds in any::<i64>()) {
        let signer = TimestampSigner::new("secret").unwrap();
        let signed = signer.sign_at(&value, seconds);
        prop_assert_eq!(signer.unsign_with_timestamp(&signed), Ok((value.as_str(), seconds)));
    }

    #[test]
    fn objects_come_back_as_they_were(object in value(), compress in any::<bool>()) {
        let signer = Signer::new("secret").unwrap();
        let json = to_json(&object).unwrap();
        let signed = signer.sign_object(&object, compress).unwrap();
        prop_assert!(json.is_ascii() && signed.is_ascii());
        prop_assert_eq!(&signer.unsign_json(&signed).unwrap(), &json);
        prop_assert_eq!(signer.unsign_object::<Value>(&signed).unwrap(), object.clone());
        prop_assert!(compress || !signed.starts_with('.'));
        prop_assert!(signed.len() <= signer.sign_object(&object, false).unwrap().len());

        let stamped = TimestampSigner::new("secret").unwrap();
        let signed = stamped.sign_object(&object, compress).unwrap();
        prop_assert_eq!(stamped.unsign_object::<Value>(&signed, None).unwrap(), object);
    }

    /// A float that Python wrote is read as that float: serde_json needs a feature for that.
    #[test]
    fn floats_come_back_bit_for_bit(bits in any::<u64>()) {
        let float = f64::from_bits(bits);
        if float.is_finite() {
            let signer = Signer::new("secret").unwrap();
            let read: f64 = signer.unsign_object(&signer.sign_object(&float, false).unwrap()).unwrap();
            prop_assert_eq!(read.to_bits(), bits, "{} is not {}", read, float);
        }
    }

    #[test]
    fn base_62_goes_both_ways(number in any::<i128>(), shift in 0..127_u32, zeros in 0..4_usize) {
        let number = number >> shift;
        let text = b62_encode(number);
        prop_assert_eq!(b62_decode(&text), Ok(number));
        let (sign, digits) = text.strip_prefix('-').map_or(("", &*text), |digits| ("-", digits));
        prop_assert!(digits.bytes().all(|digit| digit.is_ascii_alphanumeric()));
        prop_assert!(digits == "0" || !digits.starts_with('0'));
        prop_assert_eq!(b62_decode(&format!("{sign}{}{digits}", "0".repeat(zeros))), Ok(number));
    }

    #[test]
    fn base_62_is_read_digit_by_digit(text in "-?[0-9A-Za-z]{0,30}|[-0-9A-Za-z _+é]{0,5}") {
        const DIGITS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let values: Option<Vec<_>> = digits.chars().map(|digit| DIGITS.find(digit)).collect();
        let Some(values) = values.filter(|_| !text.is_empty()) else {
            prop_assert_eq!(b62_decode(&text), Err(Error::BadTimestamp));
            return Ok(());
        };
        let number = values.into_iter().try_fold(0_i128, |number, digit| {
            number.checked_mul(62)?.checked_add(digit as i128)
        });
        let expected = match (number, digits.len() < text.len()) {
            (Some(number), false) => number,
            (Some(number), true) => -number,
            (None, false) => i128::MAX,
            (None, true) => i128::MIN,
        };
        prop_assert_eq!(b62_decode(&text), Ok(expected));
    }
}
