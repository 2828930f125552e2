//! JSON by Python's rules: what is accepted, and what is written. Also random JSON for other tests.

use actix_django_session::signing::{Error, Signer, to_json};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Value, json};

use super::{
    cases,
    reference::{ascii_json, escape_json, parse_json},
};

/// Any value that serde_json can hold.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(&[0.0, -0.0, 1.0, 1e16, 1e15, 1e-5, 1e-4, 5e-324][..]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a\"\\\\\x00-\x1f\x7f]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

/// A dictionary as Python or another program may have written it. Keys come twice, in other spellings.
pub(crate) fn dictionary_text() -> impl Strategy<Value = String> {
    let entry = (space(), key_text(), space(), space(), value_text(), space())
        .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
    (space(), vec(entry, 0..12), space())
        .prop_map(|(a, entries, b)| format!("{a}{{{}}}{b}", entries.join(",")))
}

fn space() -> impl Strategy<Value = &'static str> {
    select(&["", "", "", " ", "\n\t", "\r"][..])
}

fn key_text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(&[
            r#""a""#, r#""\u0061""#, r#""b""#, r#""\u0062""#, r#""\u00e9""#, r#""\u00E9""#, "\"é\"", "\"\"",
            r#""\ud800""#, r#""\uD800""#, r#""\ud83d\ude00""#, "\"😀\"", r#""\ude00\ud83d""#, r#""\"""#,
            r#""_auth_user_id""#, r#""\n""#, r#""/""#, r#""\/""#, r#""\\u0061""#,
        ][..]).prop_map(str::to_owned),
        2 => string_text(),
    ]
}

fn string_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zé漢😀\x7f ]{1,4}",
        select(
            &[
                r"\n",
                r#"\""#,
                r"\\",
                r"\/",
                r"\u0000",
                r"\u00e9",
                r"\ud83d\ude00",
                r"\ud800",
                r"\udfff",
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

pub(crate) fn value_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(
            &[
                "null",
                "true",
                "false",
                "NaN",
                "Infinity",
                "-Infinity",
                "0",
                "-0",
                "-0.0",
                "1E400",
                "1e-400",
                "1.50",
                "1e5",
                "-1.5E+05",
                "123456789012345678901234567890",
                "0.1e1",
            ][..]
        )
        .prop_map(str::to_owned),
        (4_298..4_303_usize).prop_map(|digits| "7".repeat(digits)),
        (1..1_500_usize).prop_map(|deep| "[".repeat(deep) + &"]".repeat(deep)),
        any::<f64>().prop_map(|float| format!("{float:e}").replace("inf", "Infinity")),
        string_text(),
        string_text(),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            (space(), vec(inner.clone(), 0..4))
                .prop_map(|(space, list)| format!("[{space}{}{space}]", list.join(","))),
            (space(), vec((key_text(), inner), 0..4)).prop_map(|(space, entries)| {
                let entries: Vec<_> = entries
                    .into_iter()
                    .map(|(key, value)| format!("{key}{space}:{space}{value}"))
                    .collect();
                format!("{{{space}{}}}", entries.join(", "))
            }),
        ]
    })
}

/// The start of a character.
pub(crate) fn place(text: &str, index: Index) -> usize {
    let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
    *index.get(&places)
}

/// Text that is JSON or almost JSON.
pub(crate) fn soup() -> impl Strategy<Value = String> {
    let token = select(
        &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"a\"",
            "\"\\",
            "\\u",
            "00e9",
            "d800",
            "\\ud83d",
            "0",
            "1",
            "-",
            ".",
            "e",
            "E",
            "+",
            "9",
            " ",
            "\n",
            "\t",
            "\u{b}",
            "\u{a0}",
            "\u{feff}",
            "é",
            "😀",
            "\x1f",
            "\x7f",
            "\0",
            "null",
            "true",
            "fals",
            "NaN",
            "Infinity",
            "nan",
            "'a'",
            "//",
            "[]",
            "{}",
            "{\"a\":1}",
            "1.5",
            "\"b\":",
        ][..],
    );
    let tokens = vec(token, 0..12).prop_map(|tokens| tokens.concat());
    let broken =
        (value_text(), any::<Index>(), select(&["", ",", "}", "\"", "\\", "é", "0", "."][..]))
            .prop_map(|(text, at, put)| {
                // One character replaced.
                let at = place(&text, at);
                let rest = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
                [&text[..at], put, &text[rest..]].concat()
            });
    prop_oneof![tokens, broken, value_text()]
}

proptest! {
    #![proptest_config(cases(1_024))]

    #[test]
    fn the_crate_accepts_the_json_that_python_accepts(text in soup()) {
        // Only ASCII text passes through a signature unchanged.
        let text = ascii_json(&text);
        let signer = Signer::new("secret").unwrap();
        let read = signer.unsign_json(&signer.sign_json(&text, true));
        match parse_json(&text) {
            Some(_) => prop_assert_eq!(read, Ok(text)),
            None => prop_assert!(
                matches!(read, Err(Error::BadJson { .. } | Error::JsonTooDeep { .. })),
                "accepted {}", text
            ),
        }
    }

    #[test]
    fn text_is_written_as_python_writes_it(text in any::<String>(), control in "[\x00-\x20\"\\\\\x7f\u{80}]{0,6}") {
        let text = text + &control;
        prop_assert_eq!(to_json(&text).unwrap(), format!("\"{}\"", escape_json(&text)));
    }

    #[test]
    fn what_is_written_is_read(value in value()) {
        let json = to_json(&value).unwrap();
        prop_assert!(json.is_ascii() && parse_json(&json).is_some());
        prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
    }
}

#[test]
fn the_reference_is_no_stricter_than_json() {
    for value in [json!(null), json!([1, 2.5, {"a": "é\n"}]), json!({"": [], "x": {}})] {
        assert!(parse_json(&value.to_string()).is_some());
        assert!(parse_json(&format!("{value:#}")).is_some());
    }
}
