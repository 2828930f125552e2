//! The places of a dictionary's entries in its JSON text.

use std::hash::{BuildHasher, RandomState};

use crate::{
    error::DecodeError,
    signing::{
        self,
        json::{self, Member, TopLevel},
    },
};

/// Up to this many entries, duplicates are found by comparing all pairs.
const FEW: usize = 32;

/// One entry: the places of its key and its value. A session may consist of many small entries, so this is
/// small.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    key: Span,
    value: Span,
}

/// A range of bytes in a text shorter than 4 GiB.
#[derive(Clone, Copy)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Result<Self, signing::Error> {
        let place = |at: usize| {
            u32::try_from(at).map_err(|_| signing::Error::TooLarge { limit: u32::MAX as usize })
        };
        Ok(Self { start: place(start)?, end: place(end)? })
    }

    fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

impl Entry {
    pub(super) fn new(key: Span, value: Span) -> Self {
        Self { key, value }
    }

    /// The key as written, without its quotes.
    pub(super) fn raw_key(self, text: &str) -> &str {
        self.key.of(text)
    }

    /// The JSON text of the value.
    pub(super) fn value(self, text: &str) -> &str {
        self.value.of(text)
    }

    /// Its size in the dictionary's text: with the quotes of the key, a colon and a comma.
    pub(super) fn length(self) -> usize {
        let length = |span: Span| (span.end - span.start) as usize;
        length(self.key) + length(self.value) + 4
    }

    pub(super) fn set_value(&mut self, value: Span) {
        self.value = value;
    }

    /// Whether this is the entry of a key, in whatever spelling it is written.
    pub(super) fn has_key(self, text: &str, key: &str) -> bool {
        let raw = self.raw_key(text);
        if raw.contains('\\') { *json::unescape(raw) == *key.as_bytes() } else { raw == key }
    }
}

/// The entries of the dictionary in this text, in order. If a key comes twice, the last value counts, in
/// the place of the first.
///
/// Takes at most 24 bytes for each entry, duplicates included.
pub(super) fn index(text: &str) -> Result<Vec<Entry>, DecodeError> {
    // A text that is too long fails before any entry is made.
    Span::new(0, text.len())?;
    let mut entries = Vec::new();
    let mut count = 0;
    let top_level = json::scan(text, |member| {
        if count < FEW {
            entries.push(member.into());
        }
        count += 1;
    })?;
    if top_level != TopLevel::Object {
        return Err(DecodeError::NotADictionary);
    }
    if count <= FEW && are_all_different(&entries, text) {
        return Ok(entries);
    }
    // A second pass, now that the number is known: a growing vector takes twice the memory.
    entries = Vec::with_capacity(count);
    json::scan(text, |member| entries.push(member.into()))?;
    remove_duplicates(&mut entries, text);
    Ok(entries)
}

impl From<Member> for Entry {
    /// The entry of a member. The length of the text was checked before.
    fn from(member: Member) -> Self {
        let span = |start: usize, end: usize| Span { start: start as u32, end: end as u32 };
        Self::new(
            span(member.key.start, member.key.end),
            span(member.value.start, member.value.end),
        )
    }
}

/// Whether keys that look different are different.
fn are_all_different(entries: &[Entry], text: &str) -> bool {
    let mut keys = entries.iter().map(|entry| entry.raw_key(text)).enumerate();
    keys.all(|(i, key)| {
        !key.contains('\\') && entries[..i].iter().all(|other| other.raw_key(text) != key)
    })
}

fn remove_duplicates(entries: &mut Vec<Entry>, text: &str) {
    let key = |entry: &Entry| json::unescape(entry.raw_key(text));
    // The hash is keyed: a client cannot choose keys with the same hash.
    let hasher = RandomState::new();
    let hash = |entry: &Entry| hasher.hash_one(&*key(entry)) as u32;
    let mut by_hash: Vec<(u32, u32)> =
        entries.iter().zip(0..).map(|(entry, place)| (hash(entry), place)).collect();
    by_hash.sort_unstable();

    const REMOVED: Span = Span { start: u32::MAX, end: 0 };
    let mut firsts: Vec<usize> = Vec::new();
    for same_hash in by_hash.chunk_by(|a, b| a.0 == b.0) {
        firsts.clear();
        for place in same_hash.iter().map(|&(_, place)| place as usize) {
            let entry = entries[place];
            match firsts.iter().find(|&&first| key(&entries[first]) == key(&entry)) {
                Some(&first) => {
                    entries[first].value = entry.value;
                    entries[place].key = REMOVED;
                }
                None => firsts.push(place),
            }
        }
    }
    entries.retain(|entry| entry.key.start != REMOVED.start);
    entries.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries as text, indexed in the way for few and in the way for many.
    fn indexed(text: &str) -> String {
        let written = |entries: &[Entry]| -> String {
            let entry = |e: &Entry| format!("{}={};", e.raw_key(text), e.value(text));
            entries.iter().map(entry).collect()
        };
        let entries = written(&index(text).unwrap());
        let mut all = Vec::new();
        json::scan(text, |member| all.push(Entry::from(member))).unwrap();
        remove_duplicates(&mut all, text);
        assert_eq!(written(&all), entries, "{text}");
        entries
    }

    #[test]
    fn few_and_many_entries_lose_the_same_duplicates() {
        assert_eq!(indexed(r#"{"b":1,"a":2,"\u0062":3}"#), "b=3;a=2;");
        assert_eq!(indexed(r#"{"\u0062":1,"a":2,"b":3,"a":4}"#), "\\u0062=3;a=4;");
        assert_eq!(
            indexed(r#"{"a" : 1 , "":2,"":[3 ],"\ud800":4,"\uD800":5}"#),
            "a=1;=[3 ];\\ud800=5;"
        );
        assert_eq!(indexed("{}"), "");
    }

    #[test]
    fn a_key_is_what_its_escapes_mean() {
        let text = r#"{"\u0061":1}"#;
        let entries = index(text).unwrap();
        assert!(entries[0].has_key(text, "a") && !entries[0].has_key(text, r"\u0061"));
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 16);
    }
}
