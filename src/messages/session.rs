//! The entry of `SessionStorage` in the session.

use serde_json::Value;

use super::item::{Item, Misfit};
use crate::{settings::MessageSettings, signing::to_json};

/// `SessionStorage.session_key`
pub(crate) const SESSION_KEY: &str = "_messages";

/// `SessionStorage._get`, for the JSON of the entry.
pub(super) fn read(json: Option<&str>, settings: &MessageSettings) -> Result<Vec<Item>, Misfit> {
    let Some(json) = json else { return Ok(Vec::new()) };
    match serde_json::from_str(json).map_err(|_| Misfit)? {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => {
            let value = serde_json::from_str(&text).map_err(|_| Misfit)?;
            Ok(Item::list(value, settings)?.unwrap_or_default())
        }
        // Code other than Django's storage has written lists that are not messages yet.
        Value::Array(items) => Ok(items.into_iter().map(Item::Other).collect()),
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(Vec::new()),
        value => Ok(Item::list(value, settings)?.unwrap_or_default()),
    }
}

/// `SessionStorage._store`: returns the JSON of the entry, which is a text that contains JSON.
pub(super) fn write(items: &[Item]) -> String {
    let items: Vec<_> = items.iter().map(|item| with_blanks(&item.compact())).collect();
    to_json(&format!("[{}]", items.join(", "))).unwrap_or_else(|_| "\"[]\"".into())
}

/// Adds the spaces of `json.dumps` to JSON without spaces.
fn with_blanks(json: &str) -> String {
    let mut spaced = String::with_capacity(json.len() + 8);
    let (mut is_text, mut is_escaped) = (false, false);
    for c in json.chars() {
        spaced.push(c);
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_text = !is_text,
            ',' | ':' if !is_text => spaced.push(' '),
            _ => {}
        }
    }
    spaced
}
