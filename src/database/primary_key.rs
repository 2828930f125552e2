//! From the user id in a session to the value of the primary key: `pk.to_python()`.

use std::{borrow::Cow, error::Error as StdError, fmt};

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::signing::{self, json};

/// What a primary key column holds, and so how Django reads an id for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PrimaryKey {
    /// `smallint`, `integer` or `bigint`.
    Integer,
    Uuid,
    Text,
    /// Any other type: PostgreSQL reads it from text.
    Other,
}

impl PrimaryKey {
    pub(crate) fn of_type(oid: u32) -> Self {
        match Type::from_oid(oid) {
            Some(Type::INT2 | Type::INT4 | Type::INT8) => Self::Integer,
            Some(Type::UUID) => Self::Uuid,
            Some(Type::TEXT | Type::VARCHAR) => Self::Text,
            _ => Self::Other,
        }
    }

    /// The kind in one word, for the log.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Uuid => "uuid",
            Self::Text => "text",
            Self::Other => "other",
        }
    }

    /// The types of the query parameter: for one key and for many. They are types that the column's index
    /// serves. `bigint` serves every integer column, even if its type is altered while the service runs.
    pub(crate) fn parameter_types(&self) -> [Type; 2] {
        match self {
            Self::Integer => [Type::INT8, Type::INT8_ARRAY],
            Self::Uuid => [Type::UUID, Type::UUID_ARRAY],
            Self::Text | Self::Other => [Type::TEXT, Type::TEXT_ARRAY],
        }
    }

    /// The value of such a column, as PostgreSQL sends it.
    pub(crate) fn read(&self, bytes: &[u8]) -> Option<PrimaryKeyValue> {
        let [sent_as, _] = self.parameter_types();
        PrimaryKeyValue::from_sql(&sent_as, bytes).ok()
    }

    /// The value of an id that is not JSON.
    pub(crate) fn parse_text(&self, id: &str) -> Option<PrimaryKeyValue> {
        self.parse(&signing::to_json(id).ok()?)
    }

    /// The value of the JSON in a session. `None` where Django finds no such user or responds with a 500:
    /// no user can have this key.
    pub(crate) fn parse(&self, json: &str) -> Option<PrimaryKeyValue> {
        let text = string(json);
        match self {
            Self::Integer => match &text {
                // What Rust reads, Python reads alike.
                Some(text) => match text.parse() {
                    Ok(usual) => Some(usual),
                    Err(_) => python_int(text, 10)?.try_into().ok(),
                },
                None => integer(json),
            }
            .map(PrimaryKeyValue::Integer),
            Self::Uuid => match &text {
                Some(text) => uuid(text),
                None => match json {
                    "true" => Some(1),
                    "false" | "-0" => Some(0),
                    // Django accepts no float as a UUID, not even 1.0.
                    _ => json.parse().ok(),
                },
            }
            .map(PrimaryKeyValue::Uuid),
            Self::Text | Self::Other => {
                let text = match text {
                    Some(text) => text.into_owned(),
                    None => python_str(json)?,
                };
                (!text.contains('\0')).then_some(PrimaryKeyValue::Text(text))
            }
        }
    }
}

/// A key that a row may have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum PrimaryKeyValue {
    Integer(i64),
    Uuid(u128),
    Text(String),
}

/// As PostgreSQL writes it as text.
impl fmt::Display for PrimaryKeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
            Self::Uuid(value) => {
                let hex = format!("{value:032x}");
                let (a, b, c, d, e) =
                    (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
                write!(f, "{a}-{b}-{c}-{d}-{e}")
            }
        }
    }
}

/// tokio-postgres logs parameters by their `Debug`, and a key may be an e-mail address.
impl fmt::Debug for PrimaryKeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrimaryKeyValue(..)")
    }
}

impl ToSql for PrimaryKeyValue {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Integer(value) => value.to_sql(ty, out),
            Self::Uuid(value) => {
                out.extend_from_slice(&value.to_be_bytes());
                Ok(IsNull::No)
            }
            Self::Text(value) => value.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::UUID | Type::TEXT)
    }

    to_sql_checked!();
}

impl FromSql<'_> for PrimaryKeyValue {
    fn from_sql(ty: &Type, raw: &[u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(match *ty {
            Type::INT8 => Self::Integer(i64::from_sql(ty, raw)?),
            Type::UUID => Self::Uuid(u128::from_be_bytes(raw.try_into()?)),
            _ => Self::Text(String::from_sql(ty, raw)?),
        })
    }

    fn accepts(ty: &Type) -> bool {
        <Self as ToSql>::accepts(ty)
    }
}

fn string(json: &str) -> Option<Cow<'_, str>> {
    json::unescape_to_str(json.strip_prefix('"')?.strip_suffix('"')?)
}

/// Python's `int()` of a JSON value that is not a string.
fn integer(json: &str) -> Option<i64> {
    match json {
        "true" => Some(1),
        "false" => Some(0),
        _ if json.contains(['.', 'e', 'E']) => {
            let value: f64 = json.parse().ok()?;
            // No row has a key beyond these bounds. Within them, the cast equals `int()`.
            (value.abs() < i64::MAX as f64).then_some(value as i64)
        }
        _ => json.parse().ok(),
    }
}

/// Python's `str()` of a JSON value that is not a string. `None` for lists and dictionaries: no key looks
/// like them.
fn python_str(json: &str) -> Option<String> {
    match json {
        "true" => Some("True".into()),
        "false" => Some("False".into()),
        "NaN" => Some("nan".into()),
        "Infinity" => Some("inf".into()),
        "-Infinity" => Some("-inf".into()),
        "-0" => Some("0".into()),
        _ if !json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => None,
        _ if json.contains(['.', 'e', 'E']) => match json.parse::<f64>().ok()? {
            f64::INFINITY => Some("inf".into()),
            f64::NEG_INFINITY => Some("-inf".into()),
            value => signing::to_json(&value).ok(),
        },
        _ => Some(json.into()),
    }
}

/// Python's `uuid.UUID(hex=...)`.
fn uuid(text: &str) -> Option<u128> {
    let hex = text.replace("urn:", "").replace("uuid:", "");
    let hex = hex.trim_matches(['{', '}']).replace('-', "");
    if hex.chars().count() != 32 {
        return None;
    }
    python_int(&hex, 16)?.try_into().ok()
}

/// Python's `int(text, radix)`: white space around it, a sign, single underscores between digits, decimal
/// digits of any script. `None` if the text is not an integer, or is beyond `i128` (no key is).
fn python_int(text: &str, radix: u32) -> Option<Int> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let prefixed = (radix == 16).then(|| digits.strip_prefix("0x").or(digits.strip_prefix("0X")));
    let digits = match prefixed.flatten() {
        // After a prefix, one underscore may come before the digits.
        Some(digits) => digits.strip_prefix('_').unwrap_or(digits),
        None => digits,
    };
    let mut value: u128 = 0;
    let mut after_digit = false;
    for c in digits.chars() {
        if c == '_' && after_digit {
            after_digit = false;
            continue;
        }
        value = value.checked_mul(radix.into())?.checked_add(digit(c, radix)?.into())?;
        after_digit = true;
    }
    after_digit.then_some(Int { negative, value })
}

/// Python's `int(text)`; `None` also for integers beyond `i128`.
pub(crate) fn python_int_in_decimal(text: &str) -> Option<i128> {
    let Int { negative, value } = python_int(text, 10)?;
    let value = i128::try_from(value).ok()?;
    Some(if negative { -value } else { value })
}

/// An integer of either sign.
struct Int {
    negative: bool,
    value: u128,
}

impl TryFrom<Int> for i64 {
    type Error = std::num::TryFromIntError;

    fn try_from(int: Int) -> Result<Self, Self::Error> {
        let value = i128::try_from(int.value)?;
        (if int.negative { -value } else { value }).try_into()
    }
}

impl TryFrom<Int> for u128 {
    type Error = ();

    fn try_from(int: Int) -> Result<Self, ()> {
        if int.negative && int.value != 0 { Err(()) } else { Ok(int.value) }
    }
}

fn digit(c: char, radix: u32) -> Option<u32> {
    c.to_digit(radix).or_else(|| {
        let code = u32::from(c);
        let zero = ZEROS[..ZEROS.partition_point(|&zero| zero <= code)].last()?;
        Some(code - zero).filter(|&digit| digit < 10)
    })
}

/// The zeros of all scripts: Unicode's category Nd comes in runs of ten.
const ZEROS: &[u32] = &[
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_python_reads_them() {
        let parse = |json: &str| match PrimaryKey::Integer.parse(json) {
            Some(PrimaryKeyValue::Integer(value)) => Some(value),
            _ => None,
        };
        for one in [
            "1",
            "\"1\"",
            "1.0",
            "1.9",
            "true",
            "\" 1 \"",
            "\"01\"",
            "\"+1\"",
            "\"1\\n\"",
            "\"\u{ff11}\"",
            "\"\u{661}\"",
            "1e0",
            "\"0_1\"",
        ] {
            assert_eq!(parse(one), Some(1), "{one}");
        }
        assert_eq!(parse("\"1_000\""), Some(1000));
        assert_eq!(parse("\"-1\""), Some(-1));
        assert_eq!(parse("-0"), Some(0));
        assert_eq!(parse("9223372036854775807"), Some(i64::MAX));
        for none in [
            "null",
            "\"\"",
            "\"abc\"",
            "\"1.0\"",
            "\"1e0\"",
            "\"0x1\"",
            "\"None\"",
            "\"1\\u0000\"",
            "[]",
            "{}",
            "NaN",
            "Infinity",
            "\"1__0\"",
            "\"_1\"",
            "\"1_\"",
            "9223372036854775808",
            "1000000000000000000000000000000",
            "1e300",
            "\"\\ud800\"",
            "\"+ 1\"",
            // `str.isspace` calls it white space, `int()` does not.
            "\"\\u001c1\"",
        ] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn uuids_are_read_as_python_reads_them() {
        let parse = |json: &str| match PrimaryKey::Uuid.parse(json) {
            Some(PrimaryKeyValue::Uuid(value)) => Some(value),
            _ => None,
        };
        let id = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;
        for same in [
            "01234567-89ab-cdef-0123-456789abcdef",
            "0123456789ABCDEF0123456789abcdef",
            "{01234567-89ab-cdef-0123-456789abcdef}",
            "urn:uuid:01234567-89ab-cdef-0123-456789abcdef",
            "\u{ff10}123456789abcdef0123456789abcdef",
            "0-1-2-3456789abcdef0123456789abcdef",
        ] {
            assert_eq!(parse(&format!("\"{same}\"")), Some(id), "{same}");
        }
        assert_eq!(parse("true"), Some(1));
        assert_eq!(parse("7"), Some(7));
        assert_eq!(parse("-0"), Some(0));
        for none in ["1.0", "\"\"", "\" \"", "-1", "[]", "null", "\"0123\""] {
            assert_eq!(parse(none), None, "{none}");
        }
        assert_eq!(parse(&format!("1{}", "0".repeat(40))), None);
    }

    #[test]
    fn debug_output_has_no_key() {
        let key = PrimaryKeyValue::Text("ada@example.com".into());
        assert!(!format!("{key:?}").contains("ada"));
    }

    #[test]
    fn text_keys_are_pythons_str() {
        let parse = |json: &str| match PrimaryKey::Text.parse(json) {
            Some(PrimaryKeyValue::Text(value)) => Some(value),
            _ => None,
        };
        for (json, text) in [
            ("\"B\\u00f6b 1\"", "Böb 1"),
            ("5", "5"),
            ("5.0", "5.0"),
            ("1e16", "1e+16"),
            ("true", "True"),
            ("1e400", "inf"),
            ("\"\"", ""),
        ] {
            assert_eq!(parse(json).as_deref(), Some(text));
        }
        for none in ["null", "[\"a\"]", "{}", "\"a\\u0000\"", "\"\\udc00\""] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
