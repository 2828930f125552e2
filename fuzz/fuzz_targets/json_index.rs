//! Any JSON text as a dictionary, and changes to it. The text ends at a byte that is in no UTF-8;
//! what follows are the changes.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/properties/model.rs"]
mod model;
#[path = "../../tests/properties/reference.rs"]
mod reference;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |&byte| byte == 0xff);
    let (text, mut changes) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let text = String::from_utf8_lossy(text);
    let Some(mut model) = model::Model::new(&text) else {
        return;
    };
    // Anything that Rust can hold is what serde_json says it is.
    for index in 0..model.entries.len().min(40) {
        let (Some(key), (_, json)) = (model.key(index), &model.entries[index]) else {
            continue;
        };
        let value = model.data.get::<serde_json::Value>(&key);
        match serde_json::from_str(json) {
            Ok(expected) => assert_eq!(value.ok(), Some(Some(expected))),
            Err(_) => assert!(value.is_err()),
        }
    }
    for _ in 0..8 {
        let [what, which, rest @ ..] = changes else {
            break;
        };
        changes = rest;
        let length = usize::from(which >> 4).min(changes.len());
        let added = String::from_utf8_lossy(&changes[..length]);
        match (what % 4, model.key(usize::from(*which))) {
            (0, Some(key)) => model.insert(&key, &added),
            (1, Some(key)) => model.remove(&key),
            (2, _) => model.remove(&added),
            _ => model.insert(&added, &added),
        }
    }
});
