//! What six versions of Django said to 1,139 inputs: `tests/vectors-csrf.jsonl`.

use std::fs;

use serde_json::Value;

/// The version whose answers count where versions differ.
const NEWEST: &str = "6.1.3";

/// The vectors of a kind, as the newest Django answered them: under WSGI, but for what a server of
/// that kind does not hand on. Chunked bodies count as under ASGI, and so do headers with `_`.
// CD6.
pub(crate) fn of_kind(kind: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors-csrf.jsonl");
    let file = fs::read_to_string(path).unwrap();
    let vectors = file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    vectors
        .filter(|vector| {
            vector["kind"] == kind
                && vector["versions"].as_array().unwrap().iter().any(|one| one == NEWEST)
                && vector["interface"]
                    .as_str()
                    .is_none_or(|one| one == "any" || one == interface(vector))
        })
        .collect()
}

fn interface(vector: &Value) -> &'static str {
    let headers = vector["headers"].as_array().into_iter().flatten();
    let mut names = headers.map(|header| header[0].as_str().unwrap());
    let is_asgi = vector["chunked"] == true || names.any(|name| name.contains('_'));
    if is_asgi { "asgi" } else { "wsgi" }
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

/// A list of texts among the settings.
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
