//! A model of a session's dictionary: a list of entries, to which the same changes are made.

use actix_django_session::SessionData;

use super::reference::{self, Json, PythonText, ascii_json, parse_json, show};

/// The dictionary, and its expected keys and values as JSON text in ASCII.
pub(crate) struct Model {
    pub(crate) data: SessionData,
    pub(crate) entries: Vec<(PythonText, String)>,
}

impl Model {
    /// `None` if the text is not a dictionary; the crate must agree.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let read = SessionData::from_json(text);
        let Some(Json::Dictionary(entries)) = parse_json(text) else {
            assert!(read.is_err(), "accepted {text:?}");
            return None;
        };
        let data = read.unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert_eq!(data.to_json(), ascii_json(text));
        let entries = entries.into_iter().map(|(key, value)| (key, ascii_json(value))).collect();
        let model = Self { data, entries };
        model.check();
        Some(model)
    }

    pub(crate) fn insert(&mut self, key: &str, value: &str) {
        let code_points: PythonText = key.chars().map(u32::from).collect();
        let json = format!("\"{}\"", reference::escape_json(value));
        self.data.insert(key, value).unwrap_or_else(|error| panic!("{error}: {value:?}"));
        match self.entries.iter_mut().find(|(other, _)| *other == code_points) {
            Some((_, old)) => *old = json,
            None => self.entries.push((code_points, json)),
        }
        self.check();
    }

    pub(crate) fn remove(&mut self, key: &str) {
        let code_points: PythonText = key.chars().map(u32::from).collect();
        let position = self.entries.iter().position(|(other, _)| *other == code_points);
        assert_eq!(self.data.remove(key), position.is_some());
        if let Some(position) = position {
            self.entries.remove(position);
        }
        self.check();
    }

    /// The key of some entry, if it is text that Rust can hold.
    pub(crate) fn key(&self, index: usize) -> Option<String> {
        let (key, _) = self.entries.get(index % self.entries.len().max(1))?;
        key.iter().map(|&c| char::from_u32(c)).collect()
    }

    /// Asserts that both are the same, also after writing and reading.
    pub(crate) fn check(&self) {
        let same = |data: &SessionData| {
            assert_eq!(data.len(), self.entries.len());
            assert_eq!(data.is_empty(), self.entries.is_empty());
            for ((key, value), (expected_key, expected)) in data.iter().zip(&self.entries) {
                assert_eq!(key, show(expected_key));
                assert_eq!(value, expected);
            }
        };
        same(&self.data);
        for index in 0..self.entries.len().min(40) {
            if let Some(key) = self.key(index) {
                let json = self.data.get_json(&key);
                assert_eq!(json, Some(self.entries[index].1.as_str()), "{key:?}");
            }
        }
        let json = self.data.to_json();
        assert!(json.is_ascii());
        let again = SessionData::from_json(&json).unwrap_or_else(|e| panic!("{e}: {json}"));
        same(&again);
        assert_eq!(again.to_json(), json);
        assert_eq!(again.user_id(), self.data.user_id());
    }
}
