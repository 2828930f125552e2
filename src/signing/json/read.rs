//! The grammar of Python's `json.loads`, checked without parsing anything.

use std::ops::Range;

use super::{
    nesting::{Container, Nesting},
    scanner::Scanner,
};
use crate::signing::Error;

/// An entry of the top-level object; the ranges are bytes of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The key, without its quotes.
    pub(crate) key: Range<usize>,
    /// The value, without the space around it.
    pub(crate) value: Range<usize>,
}

/// The type of the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopLevel {
    /// An object: a dictionary in Python.
    Object,
    /// Any other value.
    Other,
}

/// Scans a JSON text and accepts exactly what Python's `json.loads` accepts.
///
/// Reports each entry of a top-level object in order, duplicates included. The entries come before the end
/// of the text was scanned, so they count only if the result is `Ok`.
///
/// It does not recurse, and allocates nothing up to 64 levels.
pub(crate) fn scan(text: &str, mut report: impl FnMut(Member)) -> Result<TopLevel, Error> {
    let mut scanner = Scanner::new(text);
    let mut open = Nesting::default();
    let mut key = 0..0;
    let mut value_start = 0;
    scanner.skip_space();
    let top_level = match scanner.peek() {
        Some(b'{') => TopLevel::Object,
        _ => TopLevel::Other,
    };
    // Entries of the top-level object are read while exactly one container is open.
    let reports = |open: &Nesting| open.depth == 1 && top_level == TopLevel::Object;

    'value: loop {
        if reports(&open) {
            value_start = scanner.at;
        }
        match scanner.peek() {
            Some(b'"') => {
                scanner.string()?;
            }
            Some(b'{') => {
                scanner.at += 1;
                open.push(Container::Object)?;
                scanner.skip_space();
                if !scanner.take(b'}') {
                    let first_key = scanner.key()?;
                    if reports(&open) {
                        key = first_key;
                    }
                    continue 'value;
                }
                open.pop();
            }
            Some(b'[') => {
                scanner.at += 1;
                open.push(Container::Array)?;
                scanner.skip_space();
                if !scanner.take(b']') {
                    continue 'value;
                }
                open.pop();
            }
            _ => scanner.number_or_literal()?,
        }

        // A value has just ended, and perhaps the containers around it.
        loop {
            if reports(&open) {
                report(Member { key: key.clone(), value: value_start..scanner.at });
            }
            scanner.skip_space();
            match open.innermost() {
                None if scanner.peek().is_none() => return Ok(top_level),
                Some(Container::Object) if scanner.take(b',') => {
                    scanner.skip_space();
                    let next_key = scanner.key()?;
                    if reports(&open) {
                        key = next_key;
                    }
                    continue 'value;
                }
                Some(Container::Array) if scanner.take(b',') => {
                    scanner.skip_space();
                    continue 'value;
                }
                Some(Container::Object) if scanner.take(b'}') => open.pop(),
                Some(Container::Array) if scanner.take(b']') => open.pop(),
                _ => return Err(scanner.error()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &str) -> bool {
        scan(text, drop).is_ok()
    }

    // The JSON that Python accepts (S17).
    #[test]
    fn accepts_what_python_accepts() {
        let digits = "9".repeat(4300);
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "-0.0",
            "1.5",
            "1e5",
            "1E-5",
            "1e+05",
            "1E400",
            "NaN",
            "Infinity",
            "-Infinity",
            "\"\"",
            "[]",
            "{}",
            " \t\n\r[ ] ",
            "[1 , 2]",
            "{ \"a\" : 1 , \"b\" : [ { } ] }",
            "\"\x7f\u{80}é\"",
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#""\"\\\/\b\f\n\r\t\u00eF""#,
            r#"{"a":1,"a":2}"#,
            &digits,
            &format!("-{digits}"),
            &format!("{digits}9.0"),
            &format!("{digits}9e0"),
        ] {
            assert!(accepts(text), "{text:?}");
        }
    }

    #[test]
    fn rejects_what_python_rejects() {
        let digits = "9".repeat(4301);
        for text in [
            "",
            " ",
            "nan",
            "-NaN",
            "+1",
            "-",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1.e5",
            "infinity",
            "Inf",
            "-Inf",
            "- 1",
            "nul",
            "nulll",
            "True",
            "1 2",
            "[1,]",
            "{\"a\":1,}",
            "[,1]",
            "[1 2]",
            "{,}",
            "{1:2}",
            "{a:1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\" 1}",
            "'a'",
            "[",
            "{",
            "]",
            "}",
            "[}",
            "{]",
            "[1}",
            "{\"a\":1]",
            "[]]",
            "\"",
            "\"\\\"",
            r#""\x41""#,
            r#""\u+041""#,
            r#""\u004""#,
            r#""\u004g""#,
            "\"\n\"",
            "\"\0\"",
            "\u{feff}1",
            "1\u{a0}",
            "1\x0b",
            "1\x0c",
            "1\0",
            "/**/1",
            "1//",
            "\u{661}",
            &digits,
            &format!("-{digits}"),
            &format!("[{digits}]"),
        ] {
            assert!(!accepts(text), "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded_and_costs_no_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let too_deep = Err(Error::JsonTooDeep { limit: 9_998 });
        assert_eq!(scan(&nested(9_998), drop), Ok(TopLevel::Other));
        assert_eq!(scan(&nested(9_999), drop), too_deep);
        assert_eq!(scan(&"[".repeat(100_000), drop), too_deep);
        assert_eq!(scan(&"{\"a\":".repeat(100_000), drop), too_deep);
        // Siblings do not count together.
        assert!(accepts(&format!("[{}[]]", "[],".repeat(20_000))));
        let mixed = |depth| format!("{}1{}", "[{\"\":".repeat(depth), "}]".repeat(depth));
        assert!(accepts(&mixed(4_999)));
        assert!(!accepts(&mixed(4_999).replacen("}]", "]}", 1)));
        assert!(!accepts(&mixed(4_999).replacen("}]", "}", 1)));
    }

    #[test]
    fn top_level_entries_are_reported_as_written() {
        let entries = |text: &str| {
            let mut entries = Vec::new();
            let top_level = scan(text, |entry| {
                let key = text[entry.key].to_owned();
                entries.push((key, text[entry.value].to_owned()));
            });
            (top_level.unwrap(), entries)
        };
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            entries(r#" { "b" : {"x":[{"y":1}]} ,"\u0062": [ ], "":"}" , "b":-1.5e3 } "#),
            (
                TopLevel::Object,
                vec![
                    entry("b", r#"{"x":[{"y":1}]}"#),
                    entry("\\u0062", "[ ]"),
                    entry("", "\"}\""),
                    entry("b", "-1.5e3"),
                ]
            )
        );
        assert_eq!(entries("{}"), (TopLevel::Object, vec![]));
        assert_eq!(entries(r#"[{"a":1}]"#), (TopLevel::Other, vec![]));
        assert_eq!(entries("1"), (TopLevel::Other, vec![]));
        // The 65th level is where bits move to the heap.
        let deep = format!("{{\"a\":{}1{},\"b\":2}}", "[".repeat(65), "]".repeat(65));
        assert_eq!(entries(&deep).1.len(), 2);
        assert_eq!(entries(&deep).1[1], entry("b", "2"));
    }
}
