//! The answers of six versions of Django to 1,139 inputs: `tests/vectors-csrf.jsonl`.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

/// The version whose answers count if versions differ.
const NEWEST: &str = "6.1.3";

/// The vectors of a kind, with the answers of the newest Django: under WSGI, but under ASGI for
/// chunked bodies and for headers with `_`, which a WSGI server does not pass on (rule CD6).
pub(crate) fn of_kind(kind: &str) -> Vec<Value> {
    all().into_iter().filter(|vector| vector["kind"] == kind && why_not(vector).is_none()).collect()
}

fn all() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors-csrf.jsonl");
    let file = fs::read_to_string(path).unwrap();
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Why this line does not count: another line with the same request has the right answer.
fn why_not(vector: &Value) -> Option<&'static str> {
    let versions = vector["versions"].as_array().unwrap();
    let interface = vector["interface"].as_str().unwrap_or("any");
    if !versions.iter().any(|one| one == NEWEST) {
        Some("newer versions answer otherwise")
    } else if interface != "any" && interface != interface_of(vector) {
        Some("the other kind of server answers otherwise")
    } else {
        None
    }
}

fn interface_of(vector: &Value) -> &'static str {
    let headers = vector["headers"].as_array().into_iter().flatten();
    let names: Vec<_> = headers.map(|header| header[0].as_str().unwrap()).collect();
    let is_asgi = vector["chunked"] == true
        || names.iter().any(|name| name.contains('_'))
        || names.iter().filter(|&&name| name == "Cookie").count() > 1;
    if is_asgi { "asgi" } else { "wsgi" }
}

/// For each line that is left out here, another line with the same id is not.
#[test]
fn what_is_left_out_is_an_answer_that_was_superseded() {
    let all = all();
    let mut left_out = BTreeMap::<(&str, &str), usize>::new();
    for vector in &all {
        let Some(reason) = why_not(vector) else { continue };
        let is_same = |other: &&Value| other["id"] == vector["id"] && why_not(other).is_none();
        assert!(all.iter().find(is_same).is_some(), "{vector}");
        *left_out.entry((text(vector, "kind"), reason)).or_default() += 1;
    }
    let (newer, server) =
        ("newer versions answer otherwise", "the other kind of server answers otherwise");
    let expected = [
        (("cookie", newer), 3),
        (("cookie", server), 5),
        (("form", newer), 9),
        (("form", server), 1),
        (("origin", newer), 4),
        (("referer", newer), 4),
        (("request", newer), 18),
        (("request", server), 4),
    ];
    assert_eq!(left_out, BTreeMap::from(expected));
}

pub(crate) fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("no text {field} in {vector}"))
}

pub(crate) fn expect(vector: &Value) -> &str {
    text(vector, "expect")
}

/// The values of a header, joined as Django's server joins them.
pub(crate) fn header(vector: &Value, name: &str) -> Option<String> {
    let headers = vector["headers"].as_array().unwrap().iter();
    let ours = headers.filter(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
    let values: Vec<_> = ours.map(|header| header[1].as_str().unwrap()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// A list of texts from the settings.
pub(crate) fn list(vector: &Value, setting: &str) -> Option<Vec<String>> {
    let list = vector["settings"][setting].as_array()?;
    Some(list.iter().map(|item| item.as_str().unwrap().to_owned()).collect())
}

/// The body, in bytes.
pub(crate) fn body(vector: &Value) -> Vec<u8> {
    match vector["body_hex"].as_str() {
        Some(hex) => (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect(),
        None => vector["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}
