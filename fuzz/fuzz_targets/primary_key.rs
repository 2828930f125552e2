//! Any user id in a session, for any primary key.

#![no_main]

use actix_django_session::{
    SessionData,
    fuzzing::{Key, primary_key},
};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/properties/reference.rs"]
mod reference;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // As it stands, if that is JSON, and as a string.
    if reference::parse_json(text).is_some() {
        let value = text.trim_matches([' ', '\t', '\r', '\n']);
        any_value(&reference::ascii_json(value), None);
    }
    any_value(&format!("\"{}\"", reference::escape_json(text)), Some(text));
});

/// `text` is what a string stands for.
fn any_value(json: &str, text: Option<&str>) {
    let key = |type_name| primary_key(type_name, json);
    let big = match key("int8") {
        Some(Key::Integer(value)) => Some(value),
        None => None,
        other => panic!("{other:?}"),
    };
    let data = SessionData::from_json(&format!("{{\"_auth_user_id\":{json}}}")).unwrap();
    let user_id = data.user_id().map(|id| id.into_owned());
    match text {
        Some(text) => {
            assert_eq!(user_id.as_deref(), Some(text).filter(|text| !text.is_empty()));
            assert_eq!(
                key("text"),
                (!text.contains('\0')).then(|| Key::Text(text.to_owned())),
                "{json}"
            );
            if text.is_ascii() {
                let number = python_int(text, 10).and_then(|number| i64::try_from(number).ok());
                assert_eq!(big, number, "{json}");
                let uuid = python_uuid(text).map(Key::Uuid);
                assert_eq!(key("uuid"), uuid, "{json}");
            }
        }
        None => {
            let is_integer = json.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            if is_integer {
                assert_eq!(big, json.parse().ok(), "{json}");
                assert!(user_id.is_some());
            } else if user_id.is_some() {
                assert!(json.starts_with('"'));
            }
        }
    }
    // What is a number to Django is the same number when Django has written it.
    if let Some(value) = big {
        assert_eq!(primary_key("int8", &format!("\"{value}\"")), Some(Key::Integer(value)));
    }
    if let Some(Key::Uuid(value)) = key("uuid") {
        assert_eq!(primary_key("uuid", &format!("\"{value:032x}\"")), Some(Key::Uuid(value)));
    }
}

/// `int(text, radix)` of ASCII text.
fn python_int(text: &str, radix: u32) -> Option<i128> {
    // C's white space: not the separators that `str.strip()` takes off.
    let space = |c: char| matches!(c, '\t'..='\r' | ' ');
    let text = text.trim_matches(space);
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let lower = digits.to_ascii_lowercase();
    let digits = match lower.strip_prefix("0x") {
        Some(digits) if radix == 16 => digits.strip_prefix('_').unwrap_or(digits),
        _ => &lower,
    };
    let well_formed = digits
        .split('_')
        .all(|group| !group.is_empty() && group.chars().all(|digit| digit.is_digit(radix)));
    if !well_formed {
        return None;
    }
    let number = i128::from_str_radix(&digits.replace('_', ""), radix);
    number.ok().map(|number| sign * number)
}

/// `uuid.UUID(text)`
fn python_uuid(text: &str) -> Option<u128> {
    let hex = text.replace("urn:", "").replace("uuid:", "");
    let hex = hex.trim_matches(|c| c == '{' || c == '}').replace('-', "");
    if hex.len() != 32 {
        return None;
    }
    // 32 hexadecimal digits may be beyond `i128`.
    match u128::from_str_radix(&hex, 16) {
        Ok(value) if hex.chars().all(|c| c.is_ascii_hexdigit()) => Some(value),
        _ => python_int(&hex, 16).and_then(|value| u128::try_from(value).ok()),
    }
}
