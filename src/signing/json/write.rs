//! Writes values as JSON text, byte for byte as `json.dumps(value, separators=(",", ":"))`.

use std::{borrow::Cow, io};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::signing::Error;

/// Writes a value as Django's `JSONSerializer` does: pure ASCII, no spaces, Python's floats.
///
/// ```
/// use actix_django_session::signing::to_json;
///
/// assert_eq!(to_json(&("é", 1.0, 1e16))?, r#"["\u00e9",1.0,1e+16]"#);
/// # Ok::<(), actix_django_session::signing::Error>(())
/// ```
///
/// One difference comes from serde: NaN and the infinities become `null`. To write them as Python does,
/// make the JSON text yourself and pass it to `sign_json`.
///
/// # Errors
///
/// [`Error::Unserializable`] for a map key that is neither text nor a number nor a bool, and if
/// `Serialize` fails.
pub fn to_json<T>(value: &T) -> Result<String, Error>
where
    T: Serialize + ?Sized,
{
    let mut json = Vec::with_capacity(128);
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, PythonFormatter);
    value.serialize(&mut serializer).map_err(|_| Error::Unserializable)?;
    String::from_utf8(json).map_err(|_| Error::Unserializable)
}

/// Escapes all characters outside ASCII in JSON text. They occur only in strings.
pub(crate) fn to_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut ascii = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(ascii)
}

struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn write_f32<W>(&mut self, writer: &mut W, value: f32) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut digits = Vec::with_capacity(24);
        CompactFormatter.write_f32(&mut digits, value)?;
        writer.write_all(as_python(&digits).as_bytes())
    }

    fn write_f64<W>(&mut self, writer: &mut W, value: f64) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        // Both choose the shortest digits, and the even one of two that are equally near. Rust's `{:?}`
        // does not (-898504810714387.25).
        let mut digits = Vec::with_capacity(24);
        CompactFormatter.write_f64(&mut digits, value)?;
        writer.write_all(as_python(&digits).as_bytes())
    }

    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        // serde_json has escaped quotes, backslashes and control characters as Python does.
        let mut runs = to_ascii(fragment);
        if runs.contains('\x7f') {
            runs = Cow::Owned(runs.replace('\x7f', "\\u007f"));
        }
        writer.write_all(runs.as_bytes())
    }

    /// The text of a `serde_json::value::RawValue`.
    fn write_raw_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        writer.write_all(to_ascii(fragment).as_bytes())
    }
}

/// Formats a decimal number, such as `1e16` or `0.00001`, as Python's `repr` does.
fn as_python(number: &[u8]) -> String {
    let (sign, number) = match number.strip_prefix(b"-") {
        Some(number) => ("-", number),
        None => ("", number),
    };
    let number = String::from_utf8_lossy(number);
    let (mantissa, exponent) = number.split_once('e').unwrap_or((&number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return format!("{sign}0.0");
    }
    // The value is 0.SIGNIFICANT times ten to the power of `point`.
    let leading_zeros = digits.len() - significant.len();
    let point = exponent.parse().unwrap_or(0) + whole.len() as i32 - leading_zeros as i32;
    let significant = significant.trim_end_matches('0');
    match point {
        -3..=0 => {
            let zeros = "0".repeat(point.unsigned_abs() as usize);
            format!("{sign}0.{zeros}{significant}")
        }
        1..=16 => match significant.split_at_checked(point as usize) {
            Some((whole, "")) => format!("{sign}{whole}.0"),
            Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
            None => format!("{sign}{significant:0<width$}.0", width = point as usize),
        },
        _ => {
            let (first, rest) = significant.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let exponent = point - 1;
            format!("{sign}{first}{dot}{rest}e{exponent:+03}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    // The text of floats (S16).
    #[test]
    fn floats_are_pythons() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            // Exactly between two shortest spellings: ..87.25.
            (f64::from_bits(0xc309_897b_a092_a89a), "-898504810714387.2"),
            (1e16, "1e+16"),
            (1.234_567_890_123_456_8e17, "1.2345678901234568e+17"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (-f64::MAX, "-1.7976931348623157e+308"),
        ] {
            assert_eq!(to_json(&value).unwrap(), text);
        }
        assert_eq!(to_json(&0.1_f32).unwrap(), "0.1");
        assert_eq!(to_json(&1e20_f32).unwrap(), "1e+20");
    }

    #[test]
    fn text_is_ascii_with_pythons_escapes() {
        for (value, json) in [
            ("/ '", r#""/ '""#),
            ("\0\x1f\"\\\x08\x0c\n\r\t", r#""\u0000\u001f\"\\\b\f\n\r\t""#),
            ("~\x7f\u{80}", r#""~\u007f\u0080""#),
            ("é\u{2028}\u{ffff}", r#""\u00e9\u2028\uffff""#),
            ("a😀b", r#""a\ud83d\ude00b""#),
        ] {
            assert_eq!(to_json(value).unwrap(), json);
        }
    }

    #[test]
    fn containers_have_no_spaces() {
        let value = serde_json::json!({"é": [1, null, true], "z": {}});
        assert_eq!(to_json(&value).unwrap(), r#"{"z":{},"\u00e9":[1,null,true]}"#);
        assert_eq!(to_json(&BTreeMap::from([(1, 'a')])).unwrap(), r#"{"1":"a"}"#);
        assert_eq!(to_json(&u128::MAX).unwrap(), u128::MAX.to_string());
    }

    #[test]
    fn what_has_no_json_form_is_refused() {
        let by_list = BTreeMap::from([([1, 2], 'a')]);
        assert_eq!(to_json(&by_list), Err(Error::Unserializable));
    }
}
