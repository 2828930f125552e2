//! The members of a session that name a user, right and wrong in every way of cases 1 to 25.

use actix_django_session::signing::{Algorithm, SaltedHmac};
use serde_json::json;

use crate::beds::{MODEL_BACKEND, Rng};

const KEY_SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";

/// A value in JSON; `None` if it is missing.
pub(crate) type Entry = Option<String>;

/// The session data of a user as Django writes it.
pub(crate) fn session_of(pk: &str, hash: &str) -> String {
    session(&quoted(pk), &quoted(MODEL_BACKEND), &quoted(hash))
}

/// Session data of values that are in JSON already.
pub(crate) fn session(id: &str, backend: &str, hash: &str) -> String {
    let entry = |value: &str| Some(value.to_owned());
    session_json("", &entry(id), &entry(backend), &entry(hash))
}

pub(crate) fn session_json(others: &str, id: &Entry, backend: &Entry, hash: &Entry) -> String {
    let names = ["_auth_user_id", "_auth_user_backend", "_auth_user_hash"];
    let entries = names.iter().zip([id, backend, hash]);
    let mut entries: Vec<_> = entries
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("\"{name}\":{value}")))
        .collect();
    if !others.is_empty() {
        entries.insert(0, others.to_owned());
    }
    format!("{{{}}}", entries.join(","))
}

/// A string in JSON.
pub(crate) fn quoted(text: impl AsRef<str>) -> String {
    json!(text.as_ref()).to_string()
}

/// The session auth hash, as `AbstractBaseUser.get_session_auth_hash` makes it.
pub(crate) fn session_auth_hash(secret: &[u8], password: &str, algorithm: Algorithm) -> String {
    SaltedHmac::new(KEY_SALT, secret, algorithm).hexdigest(password)
}

/// A random id in JSON: in a form that Django reads as the user's id, or as another or no user.
pub(crate) fn odd_id(rng: &mut Rng, pk: &str) -> Entry {
    if rng.percent(40) {
        return Some(twisted_id(rng, pk));
    }
    const OTHER_IDS: [&str; 34] = [
        "true",
        "false",
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
        "-Infinity",
        "2147483648",
        "2147483647",
        "9223372036854775808",
        "1000000000000000000000000000000",
        "\"-1\"",
        "\"0\"",
        "-0",
        "1e0",
        "1E400",
        "-1.5",
        "\"\\ud800\"",
        "\"9223372036854775808\"",
        "[1]",
        "{\"a\":1}",
        "\" \"",
        "\"\u{200b}1\"",
        "\"1__0\"",
        "0.5",
        "-0.0",
    ];
    match rng.below(OTHER_IDS.len() + 1) {
        0 => None,
        index => Some(OTHER_IDS[index - 1].to_owned()),
    }
}

/// The user's own id in another notation.
fn twisted_id(rng: &mut Rng, pk: &str) -> String {
    let digits = |zero: u32| -> String {
        let digit = |c: char| c.to_digit(10).and_then(|n| char::from_u32(zero + n)).unwrap_or(c);
        pk.chars().map(digit).collect()
    };
    let plain = pk.chars().all(|c| c.is_ascii_digit());
    let text = match rng.below(24) {
        0 if plain => return pk.to_owned(),
        1 if plain => return format!("{pk}.0"),
        2 if plain => return format!("{pk}.9"),
        3 if plain => return format!("{pk}e0"),
        4 if plain => return format!("\"{}\"", pk.replace('1', "\\u0031")),
        5 => format!(" {pk} "),
        6 => format!("+{pk}"),
        7 => format!("00{pk}"),
        8 => format!("{pk}\n"),
        9 => format!("\u{a0}{pk}\u{2003}"),
        10 => format!("\u{85}{pk}"),
        11 => format!("\u{1c}{pk}"),
        12 => format!("{pk}\u{1f}"),
        13 => digits(0xff10),
        14 => digits(0x661 - 1),
        15 => format!("0_{pk}"),
        16 => format!("{pk}_"),
        17 => format!("-{pk}"),
        18 => pk.to_uppercase(),
        19 => format!("{{{pk}}}"),
        20 => format!("urn:uuid:{pk}"),
        21 => pk.replace('-', ""),
        22 => format!("{pk}\0"),
        _ => format!("{}{pk}", rng.choose(&["0x", "\u{feff}", "- ", "+-", "\t", "\u{7f}"])),
    };
    quoted(&text)
}

pub(crate) fn odd_backend(rng: &mut Rng, others: &[&str]) -> Entry {
    let trailing = format!("{MODEL_BACKEND} ");
    let paths = [&[trailing.as_str(), "", "modelbackend", "no.such.Backend"], others].concat();
    match rng.below(9) {
        0 => None,
        1 => Some(rng.choose(&["null", "5", "true", "{}", "\"\\ud800\""]).to_string()),
        2 => Some(json!([MODEL_BACKEND]).to_string()),
        _ => Some(quoted(rng.choose(&paths))),
    }
}

/// A random hash of the cases 14 to 17.
pub(crate) fn odd_hash(rng: &mut Rng, right: &str, others: &[String]) -> Entry {
    let text = match rng.below(12) {
        0 => return None,
        1..3 => {
            let wrong = ["\"\"", "null", "0", "false", "[]", "{}", "1", "true", "1.5"];
            return Some(rng.choose(&wrong).to_string());
        }
        3 => return Some(rng.choose(&["{\"a\":1}", "\"\\ud800\"", "NaN"]).to_string()),
        4 => right.to_uppercase(),
        5 => format!("{right} "),
        6 => right[..63].to_owned(),
        7 => format!("{right}0"),
        8 => format!("\u{ff10}{}", &right[1..]),
        _ => rng.choose(others).clone(),
    };
    Some(quoted(&text))
}
