//! What was done to the data of a session, in order: it can be done again to data that somebody else
//! has stored meanwhile.

use std::{fmt, rc::Rc};

use super::SessionData;
use crate::error::{DecodeError, Error};

/// What was done, without what something later made void: a request that sets one key a thousand
/// times has set it once.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits {
    /// Each with its number, by which those that were done since a save began are known.
    done: Vec<(u64, Edit)>,
    last: u64,
}

/// One thing that was done to the data.
#[derive(Clone)]
pub(super) enum Edit {
    Clear,
    Set { key: Rc<str>, json: Rc<str> },
    Remove { key: Rc<str> },
    Update { key: Rc<str>, update: Rc<Update> },
}

type Update = dyn Fn(&mut SessionData) -> Result<(), Error>;

impl Edits {
    /// Adds what was done last.
    pub(super) fn push(&mut self, edit: Edit) {
        self.last += 1;
        match &edit {
            Edit::Clear => self.done.clear(),
            Edit::Remove { key } => self.done.retain(|(_, earlier)| earlier.key() != Some(key)),
            Edit::Set { key, .. } => {
                let is_set = |edit: &Edit| !matches!(edit, Edit::Remove { .. });
                let of_key = |(_, edit): &(u64, Edit)| edit.key() == Some(key);
                let first = self.done.iter().position(|done| of_key(done) && is_set(&done.1));
                if let Some(first) = first {
                    // In the place that the key has been given.
                    let later = self.done.split_off(first + 1);
                    self.done.extend(later.into_iter().filter(|done| !of_key(done)));
                    self.done[first] = (self.last, edit);
                    return;
                }
            }
            Edit::Update { .. } => {}
        }
        self.done.push((self.last, edit));
    }

    /// What was done since these were all.
    pub(super) fn since(mut self, then: &Self) -> Self {
        self.done.retain(|(number, _)| *number > then.last);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// Does it all to this data.
    ///
    /// # Errors
    /// Those of an `update` that finds another type than it had changed before.
    pub(super) fn apply(&self, mut data: SessionData) -> Result<SessionData, Error> {
        for (_, edit) in &self.done {
            match edit {
                Edit::Clear => data = SessionData::new(),
                Edit::Set { key, json } => {
                    data.insert_json(key, json).map_err(DecodeError::from)?;
                }
                Edit::Remove { key } => drop(data.remove(key)),
                Edit::Update { update, .. } => update(&mut data)?,
            }
        }
        Ok(data)
    }
}

impl Edit {
    /// The key that it is about; none if about all of them.
    fn key(&self) -> Option<&Rc<str>> {
        match self {
            Self::Clear => None,
            Self::Set { key, .. } | Self::Remove { key } | Self::Update { key, .. } => Some(key),
        }
    }
}

/// Shows what kind of thing was done, not to what.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "Clear",
            Self::Set { .. } => "Set",
            Self::Remove { .. } => "Remove",
            Self::Update { .. } => "Update",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, json: &str) -> Edit {
        Edit::Set { key: key.into(), json: json.into() }
    }

    fn remove(key: &str) -> Edit {
        Edit::Remove { key: key.into() }
    }

    /// Adds a digit to a number.
    fn update(key: &'static str, digit: u32) -> Edit {
        let update = move |data: &mut SessionData| {
            let value = data.get::<u32>(key)?.unwrap_or_default();
            Ok(data.insert(key, &(10 * value + digit)).map_err(DecodeError::from)?)
        };
        Edit::Update { key: key.into(), update: Rc::new(update) }
    }

    /// One after the other, with nothing left out.
    fn literally(edits: &[Edit], mut data: SessionData) -> SessionData {
        for edit in edits {
            let mut one = Edits::default();
            one.push(edit.clone());
            data = one.apply(data).unwrap();
        }
        data
    }

    /// All sequences of so many of these.
    fn sequences(of: &[Edit], length: u32) -> impl Iterator<Item = Vec<Edit>> {
        let count = of.len();
        (0..count.pow(length)).map(move |n| {
            (0..length).map(|place| of[n / count.pow(place) % count].clone()).collect()
        })
    }

    #[test]
    fn what_is_void_is_left_out_and_makes_no_difference() {
        let edits = [
            set("a", "1"),
            set("a", "2"),
            set("b", "3"),
            remove("a"),
            update("a", 4),
            update("b", 5),
            Edit::Clear,
        ];
        for sequence in sequences(&edits, 4) {
            let mut all = Edits::default();
            let mut saved = Vec::new();
            for edit in &sequence {
                saved.push(all.clone());
                all.push(edit.clone());
            }
            for row in ["{}", r#"{"b":7}"#, r#"{"x":0,"a":8,"b":9}"#] {
                let row = SessionData::from_json(row).unwrap();
                let expected = literally(&sequence, row.clone());
                let applied = all.apply(row.clone()).unwrap();
                assert_eq!(applied.as_json(), expected.as_json(), "{all:?}");
                // In two parts, as when a save begins in between.
                for part in &saved {
                    let stored = part.apply(row.clone()).unwrap();
                    let applied = all.clone().since(part).apply(stored).unwrap();
                    assert_eq!(applied.as_json(), expected.as_json(), "{part:?} {all:?}");
                }
            }
        }
    }

    #[test]
    fn a_key_that_is_set_a_thousand_times_is_set_once() {
        let mut edits = Edits::default();
        for _ in 0..1000 {
            edits.push(set("a", "1"));
            edits.push(set("b", "1"));
            edits.push(update("b", 1));
            edits.push(remove("c"));
            edits.push(set("c", "1"));
        }
        assert_eq!(edits.done.len(), 5);
        edits.push(Edit::Clear);
        assert_eq!(edits.done.len(), 1);
    }
}
