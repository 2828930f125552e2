//! Messages as JSON: Django's `MessageEncoder` and `MessageDecoder`.

use serde_json::Value;

use super::Message;
use crate::{
    settings::{MessageLevel, MessageSettings},
    signing::to_json,
};

/// The first value in the JSON of a message.
const MESSAGE: &str = "__json_message";

/// One item in a list of messages.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Message(Message),
    /// A value that is not a message, and that is kept as it is.
    Other(Value),
}

/// A text that Django fails to read.
#[derive(Debug)]
pub(super) struct Misfit;

impl Item {
    pub(crate) fn message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) => Some(message),
            Self::Other(_) => None,
        }
    }

    /// Decodes one item of a list, as `MessageDecoder` does.
    pub(super) fn decoded(value: Value, settings: &MessageSettings) -> Result<Self, Misfit> {
        match &value {
            Value::Array(parts) if parts.first().is_some_and(|first| first == MESSAGE) => {
                message(parts, settings).map(Self::Message).ok_or(Misfit)
            }
            _ => Ok(Self::Other(value)),
        }
    }

    /// Decodes a whole text, as `MessageDecoder` does, if Python can iterate over the result.
    /// `None` for a value that counts as no messages.
    pub(super) fn list(
        value: Value,
        settings: &MessageSettings,
    ) -> Result<Option<Vec<Self>>, Misfit> {
        match value {
            Value::Null => Ok(None),
            Value::Array(items) if items.first().is_some_and(|first| first == MESSAGE) => {
                Err(Misfit)
            }
            Value::Array(items) => {
                let items = items.into_iter().map(|item| Self::decoded(item, settings));
                items.collect::<Result<_, _>>().map(Some)
            }
            Value::Object(object) if object.is_empty() => Ok(Some(Vec::new())),
            Value::String(text) if text.is_empty() => Ok(Some(Vec::new())),
            Value::Bool(false) => Ok(Some(Vec::new())),
            _ => Err(Misfit),
        }
    }

    /// The JSON that `MessageEncoder` writes, without spaces.
    pub(super) fn compact(&self) -> String {
        let json = match self {
            Self::Message(message) => {
                let safe = u8::from(message.is_safe());
                let (level, text) = (message.level().0, message.text());
                match message.stored_tags() {
                    Some(tags) => to_json(&(MESSAGE, safe, level, text, tags)),
                    None => to_json(&(MESSAGE, safe, level, text)),
                }
            }
            Self::Other(value) => to_json(value),
        };
        json.unwrap_or_else(|_| "null".into())
    }
}

/// `Message(*parts[2:])`
fn message(parts: &[Value], settings: &MessageSettings) -> Option<Message> {
    let (safe, level, text, tags) = match parts {
        [_, safe, level, text] => (safe, level, text, &Value::Null),
        [_, safe, level, text, tags] => (safe, level, text, tags),
        _ => return None,
    };
    let tags = match tags {
        Value::Null => None,
        tags => Some(as_text(tags)?),
    };
    Some(Message::new(as_level(level)?, as_text(text)?, tags, is_true(safe), settings))
}

/// `int(level)`
fn as_level(value: &Value) -> Option<MessageLevel> {
    Some(MessageLevel(match value {
        Value::Bool(yes) => i64::from(*yes),
        Value::String(text) => text.trim().parse().ok()?,
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(level), _) => level,
            // Django never writes a level that does not fit into an i64.
            (None, Some(level)) if level.abs() < 9e15 => level as i64,
            _ => return None,
        },
        _ => return None,
    }))
}

/// `str(value)` of a value that can be a text.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `bool(value)`
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}
