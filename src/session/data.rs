//! Session data: the dictionary that Django keeps in a session.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    SessionSigner,
    index::{Entry, Span, index},
};
use crate::{
    error::DecodeError,
    signing::{self, json},
};

/// `SESSION_KEY` of `django.contrib.auth`.
pub(crate) const USER_ID: &str = "_auth_user_id";

/// The decoded dictionary of a session.
///
/// It is kept as the JSON text that Django stored, with an index of its top-level entries. A value is
/// parsed when it is read. A value that Rust cannot hold (`NaN`, a lone surrogate, an integer of a
/// thousand digits) therefore affects no other entry, and encoding writes each unchanged entry as it was,
/// in its place.
///
/// The index takes 16 bytes for each entry. A dictionary of many small entries therefore takes several
/// times the size of its text: see
/// [`max_decompressed_size`](crate::DjangoSettings::max_decompressed_size).
///
/// ```
/// use actix_django_session::{DjangoSettings, SessionData, SessionSigner};
///
/// let signer = SessionSigner::new(&DjangoSettings::new("secret"))?;
/// let mut data = SessionData::new();
/// data.insert("cart", &[1, 2])?;
/// let session_data = data.encode(&signer); // for the row; Django reads it
///
/// let data = SessionData::decode(&session_data, &signer)?;
/// assert_eq!(data.get::<Vec<u32>>("cart")?, Some(vec![1, 2]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SessionData {
    /// The text that the entries point into: as decoded, then the entries added since.
    text: String,
    /// The entries, one for each key, in order.
    entries: Vec<Entry>,
    /// The length of the text that is the whole dictionary, until an entry is changed.
    whole: Option<usize>,
    /// The size of the dictionary as JSON text, in bytes, without former values.
    live: usize,
}

/// The size of an empty dictionary. With entries it is one byte too many: the last one has no comma.
const BRACES: usize = 2;

/// The least number of unused bytes that makes compacting worth the work.
const DEAD: usize = 256;

impl SessionData {
    /// Makes an empty dictionary.
    pub fn new() -> Self {
        Self { text: "{}".into(), entries: Vec::new(), whole: Some(2), live: BRACES }
    }

    /// Decodes the text of the `session_data` column, as Django's `SessionStore.decode` does.
    ///
    /// # Errors
    /// [`DecodeError`] if the signature is wrong, or the signed text is not a JSON dictionary. Django uses
    /// an empty session then, or fails.
    pub fn decode(session_data: &str, signer: &SessionSigner) -> Result<Self, DecodeError> {
        Self::index(signer.unsign(session_data)?.0)
    }

    /// Encodes the data for the `session_data` column, signed now, as Django's `SessionStore.encode` does:
    /// compressed where that makes it shorter.
    pub fn encode(&self, signer: &SessionSigner) -> String {
        signer.sign(&self.to_json())
    }

    /// Parses a JSON text by Python's rules.
    ///
    /// # Errors
    /// [`DecodeError`] if it is not JSON, or not a dictionary.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        if !text.is_ascii() {
            // Unchanged: a backslash before an `é` is an error, before its escape it is not.
            json::scan(text, drop)?;
        }
        Self::index(json::to_ascii(text).into_owned())
    }

    /// Makes the dictionary of a map or struct, such as the value of `serde_json::json!`.
    ///
    /// # Errors
    /// [`DecodeError`] if it has no JSON form, or is not a dictionary.
    pub fn from_object<T: Serialize + ?Sized>(object: &T) -> Result<Self, DecodeError> {
        Self::index(signing::to_json(object)?)
    }

    /// Decodes the dictionary in a signed text.
    pub(super) fn index(text: String) -> Result<Self, DecodeError> {
        let entries = index(&text)?;
        let live = BRACES + entries.iter().map(|entry| entry.length()).sum::<usize>();
        Ok(Self { whole: Some(text.len()), text, entries, live })
    }

    /// Returns the value of a key, parsed. `None` if there is no such key.
    ///
    /// # Errors
    /// [`DecodeError::Value`] if the value is not a `T`, or is one that `serde_json` cannot hold;
    /// [`SessionData::get_json`] still returns its text.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, DecodeError> {
        self.get_json(key)
            .map(|json| serde_json::from_str(json).map_err(|_| DecodeError::Value))
            .transpose()
    }

    /// Returns the JSON text of a key's value, as stored.
    pub fn get_json(&self, key: &str) -> Option<&str> {
        Some(self.entries[self.position(key)?].value(&self.text))
    }

    /// Sets a key: in its place if it exists, otherwise at the end.
    ///
    /// # Errors
    /// [`signing::Error::Unserializable`] if the value has no JSON form,
    /// [`signing::Error::TooLarge`] if the dictionary grows beyond 4 GiB.
    pub fn insert<T: Serialize + ?Sized>(
        &mut self,
        key: &str,
        value: &T,
    ) -> Result<(), signing::Error> {
        self.insert_json(key, &signing::to_json(value)?)
    }

    /// Sets a key to a JSON text that [`signing::to_json`] made.
    pub(crate) fn insert_json(&mut self, key: &str, json: &str) -> Result<(), signing::Error> {
        match self.position(key) {
            Some(position) => {
                let value = self.append(json)?;
                let entry = &mut self.entries[position];
                self.live -= entry.length();
                entry.set_value(value);
                self.live += entry.length();
            }
            None => {
                let quoted = signing::to_json(key)?;
                let key = self.append(&quoted[1..quoted.len() - 1])?;
                let value = self.append(json)?;
                let entry = Entry::new(key, value);
                self.live += entry.length();
                self.entries.push(entry);
            }
        }
        self.changed()
    }

    /// Removes a key. Returns whether it existed.
    pub fn remove(&mut self, key: &str) -> bool {
        let position = self.position(key);
        if let Some(position) = position {
            let entry = self.entries.remove(position);
            self.live -= entry.length();
            // The rest is not longer than the text before.
            drop(self.changed());
        }
        position.is_some()
    }

    /// Returns the id of the user who is logged in to this session: `_auth_user_id`, a string as Django
    /// writes it, or an integer, in canonical decimal form. `None` if the session names no user.
    ///
    /// Django also accepts some forms that it never writes (`1.0`, `true`) as ids of integer keys. This
    /// method does not.
    pub fn user_id(&self) -> Option<Cow<'_, str>> {
        self.get_json(USER_ID).and_then(user_id_in)
    }

    /// The string value of a key. `None` if it is not a string, or one that Rust cannot hold.
    pub(crate) fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get_json(key).and_then(string_in)
    }

    /// Returns the entries in order: keys, and values as JSON text. Lone surrogates in keys become U+FFFD.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        self.entries.iter().map(|entry| {
            let key = entry.raw_key(&self.text);
            let key = json::unescape_to_str(key).unwrap_or_else(|| {
                String::from_utf8_lossy(&json::unescape(key)).into_owned().into()
            });
            (key, entry.value(&self.text))
        })
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the dictionary as JSON text: as stored, if unchanged. Bytes outside ASCII become the
    /// Latin-1 characters that Django reads them as.
    pub fn to_json(&self) -> Cow<'_, str> {
        if let Some(end) = self.whole {
            return Cow::Borrowed(&self.text[..end]);
        }
        let mut json = String::with_capacity(self.live);
        for entry in &self.entries {
            json += if json.is_empty() { "{\"" } else { ",\"" };
            json += entry.raw_key(&self.text);
            json += "\":";
            json += entry.value(&self.text);
        }
        json += if json.is_empty() { "{}" } else { "}" };
        Cow::Owned(json)
    }

    /// Returns whether the dictionary has this key: `key in request.session`.
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// The entries by key, each key in one spelling.
    fn sorted(&self) -> BTreeMap<Cow<'_, [u8]>, &str> {
        let entry =
            |entry: &Entry| (json::unescape(entry.raw_key(&self.text)), entry.value(&self.text));
        self.entries.iter().map(entry).collect()
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.has_key(&self.text, key))
    }

    /// Records that the text is not the dictionary any more. Once most of it is unused, it is compacted: a
    /// value that is set a thousand times takes at most twice its size.
    fn changed(&mut self) -> Result<(), signing::Error> {
        self.whole = None;
        if self.text.len() <= 2 * self.live + DEAD {
            return Ok(());
        }
        let (mut text, mut entries) =
            (String::with_capacity(self.live), Vec::with_capacity(self.entries.len()));
        for entry in &self.entries {
            let [key, value] = [entry.raw_key(&self.text), entry.value(&self.text)].map(|part| {
                let start = text.len();
                text += part;
                Span::new(start, text.len())
            });
            entries.push(Entry::new(key?, value?));
        }
        (self.text, self.entries) = (text, entries);
        Ok(())
    }

    /// Frees unused memory, for data that is kept.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    /// How many bytes of heap it uses.
    pub(super) fn heap_size(&self) -> usize {
        self.text.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    fn append(&mut self, text: &str) -> Result<Span, signing::Error> {
        let start = self.text.len();
        let span = Span::new(start, start + text.len())?;
        self.text += text;
        Ok(span)
    }
}

/// The user id in this JSON: [`SessionData::user_id`].
pub(crate) fn user_id_in(json: &str) -> Option<Cow<'_, str>> {
    match json {
        "\"\"" => None,
        "-0" => Some("0".into()),
        json if json.starts_with('"') => string_in(json),
        json if json.bytes().all(|b| b.is_ascii_digit() || b == b'-') => Some(json.into()),
        _ => None,
    }
}

/// The text in this JSON. `None` if it is not a string, or one that Rust cannot hold.
fn string_in(json: &str) -> Option<Cow<'_, str>> {
    json::unescape_to_str(json.strip_prefix('"')?.strip_suffix('"')?)
}

impl Default for SessionData {
    fn default() -> Self {
        Self::new()
    }
}

/// Equal dictionaries have the same keys, in any order, with the same JSON texts. `1` and `1.0` differ.
impl PartialEq for SessionData {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.sorted() == other.sorted()
    }
}

impl Eq for SessionData {}

/// Shows the size, not the content.
impl fmt::Debug for SessionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionData").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(json: &str) -> SessionData {
        SessionData::from_json(json).unwrap()
    }

    #[test]
    fn one_odd_value_spoils_nothing_else() {
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let digits = "9".repeat(4_000);
        let text = format!(
            r#"{{"nan":NaN,"lone":"\ud800","big":{digits},"deep":{deep},"inf":1E400,"ok":7}}"#
        );
        let data = data(&text);
        assert_eq!(data.get::<u8>("ok").unwrap(), Some(7));
        assert_eq!(data.get_json("big"), Some(&*digits));
        assert_eq!(data.get_json("nan"), Some("NaN"));
        for odd in ["nan", "lone", "big", "deep", "inf"] {
            assert!(matches!(data.get::<serde_json::Value>(odd), Err(DecodeError::Value)), "{odd}");
        }
        assert_eq!(data.to_json(), text);
    }

    #[test]
    fn of_duplicate_keys_the_last_value_counts_in_the_first_place() {
        let data = data(r#"{"b":1,"a":2,"\u0062":3}"#);
        assert_eq!(data.get::<u8>("b").unwrap(), Some(3));
        let entries: Vec<_> = data.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(entries, ["b=3", "a=2"]);
    }

    #[test]
    fn equal_dictionaries_have_the_same_keys_with_the_same_texts() {
        let mut changed = data(r#"{"a":0}"#);
        for (key, value) in [("b", 2), ("a", 1)] {
            changed.insert(key, &value).unwrap();
        }
        assert!(changed.contains_key("b") && !changed.contains_key("c"));
        assert_eq!(changed, data(r#"{"b":2,"\u0061":1}"#));
        for other in [r#"{"a":1}"#, r#"{"a":1,"c":2}"#, r#"{"a":1,"b":3}"#, r#"{"a":1.0,"b":2}"#] {
            assert_ne!(changed, data(other), "{other}");
        }
    }

    #[test]
    fn many_keys_differ_too() {
        let mut text = String::from("{");
        for i in 0..100 {
            text += &format!("\"k{}\":{i},", i % 50);
        }
        text += "\"z\":0}";
        let data = data(&text);
        assert_eq!(data.len(), 51);
        assert_eq!(data.get::<u8>("k0").unwrap(), Some(50));
    }

    #[test]
    fn a_change_leaves_the_other_entries_exactly_as_they_were() {
        let mut data = data(r#" { "a" : 1.0 , "b":[ NaN ],"\u00e9":"\ud800" } "#);
        data.insert("new", "é\u{7f}").unwrap();
        data.insert("a", &1e16).unwrap();
        assert_eq!(
            data.to_json(),
            r#"{"a":1e+16,"b":[ NaN ],"\u00e9":"\ud800","new":"\u00e9\u007f"}"#
        );
        assert!(data.remove("b") && !data.remove("b"));
        assert_eq!(data.get_json("é"), Some(r#""\ud800""#));
        for key in ["a", "é", "new"] {
            assert!(data.remove(key));
        }
        assert_eq!(data.to_json(), "{}");
    }

    #[test]
    fn former_values_and_removed_keys_take_no_place() {
        let mut data = data(r#"{"a":1,"\u00e9":"\ud800","list":[],"b":{}}"#);
        let takes = |data: &SessionData| {
            data.text.capacity() + data.entries.capacity() * size_of::<Entry>()
        };
        let mut list = Vec::new();
        for n in 0..2_000 {
            list.push(n);
            data.insert("list", &list).unwrap();
            let live = data.to_json().len();
            assert!(takes(&data) <= 5 * live + 2_000, "{} for {live}", takes(&data));
        }
        for n in 0..2_000 {
            data.insert(&format!("key{n}"), "a value").unwrap();
        }
        for n in 1..2_000 {
            assert!(data.remove(&format!("key{n}")));
        }
        data.insert("list", &[0; 0]).unwrap();
        assert_eq!(
            data.to_json(),
            r#"{"a":1,"\u00e9":"\ud800","list":[],"b":{},"key0":"a value"}"#
        );
        assert!(takes(&data) < 2_000, "{}", takes(&data));
        assert_eq!(data.live, data.to_json().len() + 1);
    }

    #[test]
    fn a_user_id_is_a_string_or_an_integer() {
        let id = |json: &str| {
            data(&format!(r#"{{"_auth_user_id":{json}}}"#)).user_id().map(Cow::into_owned)
        };
        assert_eq!(id(r#""1""#).as_deref(), Some("1"));
        assert_eq!(id("1").as_deref(), Some("1"));
        assert_eq!(id("-0").as_deref(), Some("0"));
        let big = "123456789".repeat(20);
        assert_eq!(id(&big).as_deref(), Some(&*big));
        assert_eq!(id(r#""B\u00f6b 1""#).as_deref(), Some("Böb 1"));
        for none in
            ["null", "false", "true", "1.0", "1e5", "[]", "{}", "NaN", r#""""#, r#""\ud800""#]
        {
            assert_eq!(id(none), None, "{none}");
        }
        assert_eq!(data("{}").user_id(), None);
    }

    #[test]
    fn what_is_no_dictionary_is_an_error() {
        for text in ["[]", "null", "5", "true", "\"x\"", r#"[["a",1]]"#] {
            assert!(matches!(SessionData::from_json(text), Err(DecodeError::NotADictionary)));
        }
    }

    #[test]
    fn a_float_is_the_one_that_python_wrote() {
        for float in [13098.748753825857, 2.5904476832709474e-67, -4.346963759051609e55] {
            let data = data(&format!("{{\"float\":{float:e}}}"));
            assert_eq!(data.get::<f64>("float").unwrap(), Some(float));
        }
    }

    #[test]
    fn a_character_outside_ascii_is_not_read_as_an_escape() {
        for text in [r#"{"a":"\é"}"#, r#"{"\é":1}"#, r#"{"a":"\u00é9"}"#, r#"{"a":é}"#] {
            assert!(SessionData::from_json(text).is_err(), "{text}");
        }
        assert_eq!(data(r#"{"a":"\\é"}"#).to_json(), r#"{"a":"\\\u00e9"}"#);
    }

    #[test]
    fn debug_output_has_no_data() {
        assert!(!format!("{:?}", data(r#"{"hush":"hush"}"#)).contains("hush"));
    }
}
