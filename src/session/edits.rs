//! The edits of a session's data, in order. They can be applied again to data that another request has
//! stored meanwhile.

use std::{fmt, rc::Rc};

use super::{DjangoSession, SessionData};
use crate::{
    error::{DecodeError, Error},
    signing,
};

/// The edits, without those that a later one made void: a request that sets one key a thousand times has
/// one edit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits(Vec<Edit>);

/// One edit of the data.
#[derive(Clone)]
pub(super) enum Edit {
    Clear,
    Set { key: Rc<str>, json: Rc<str> },
    Remove { key: Rc<str> },
    Update { key: Rc<str>, update: Rc<Update> },
}

type Update = dyn Fn(&mut SessionData) -> Result<(), Error>;

impl Edits {
    /// Adds the latest edit.
    pub(super) fn push(&mut self, edit: Edit) {
        match &edit {
            Edit::Clear => self.0.clear(),
            Edit::Remove { key } => self.0.retain(|earlier| earlier.key() != Some(key)),
            Edit::Set { key, .. } => {
                let is_set = |edit: &Edit| !matches!(edit, Edit::Remove { .. });
                let of_key = |edit: &Edit| edit.key() == Some(key);
                let first = self.0.iter().position(|done| of_key(done) && is_set(done));
                if let Some(first) = first {
                    // It keeps the place that the key was given.
                    let later = self.0.split_off(first + 1);
                    self.0.extend(later.into_iter().filter(|done| !of_key(done)));
                    self.0[first] = edit;
                    return;
                }
            }
            Edit::Update { .. } => {}
        }
        self.0.push(edit);
    }

    /// These edits, then those.
    pub(super) fn then(mut self, later: Self) -> Self {
        later.0.into_iter().for_each(|edit| self.push(edit));
        self
    }

    /// Applies all edits to the data of this row.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the data is too large to be decoded: it may be valid and must not be
    /// overwritten. Also the error of an `update` that finds another type than before.
    pub(crate) fn apply_to(&self, row: &DjangoSession) -> Result<SessionData, Error> {
        self.apply(readable(row)?)
    }

    /// Applies all edits to this data.
    ///
    /// # Errors
    /// The error of an `update` that finds another type than before.
    pub(super) fn apply(&self, mut data: SessionData) -> Result<SessionData, Error> {
        for edit in &self.0 {
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

/// The data of a row. Data that Django cannot decode counts as empty there, and here.
///
/// # Errors
/// [`Error::Undecodable`] if it is too large to be decoded.
pub(super) fn readable(row: &DjangoSession) -> Result<SessionData, Error> {
    match row.data() {
        Ok(data) => Ok(data.clone()),
        Err(error @ DecodeError::Signing(signing::Error::TooLarge { .. })) => Err(error.into()),
        Err(_) => Ok(SessionData::new()),
    }
}

impl Edit {
    /// The key that it changes; `None` if it changes all.
    fn key(&self) -> Option<&Rc<str>> {
        match self {
            Self::Clear => None,
            Self::Set { key, .. } | Self::Remove { key } | Self::Update { key, .. } => Some(key),
        }
    }
}

/// Shows the kind of edit, not the key or value.
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

    /// All edits one after the other, none left out.
    fn literally(edits: &[Edit], mut data: SessionData) -> SessionData {
        for edit in edits {
            let mut one = Edits::default();
            one.push(edit.clone());
            data = one.apply(data).unwrap();
        }
        data
    }

    /// All sequences of this many edits.
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
            let mut parts = Vec::new();
            for (i, edit) in sequence.iter().enumerate() {
                let mut rest = Edits::default();
                sequence[i..].iter().for_each(|edit| rest.push(edit.clone()));
                parts.push((all.clone(), rest));
                all.push(edit.clone());
            }
            for row in ["{}", r#"{"b":7}"#, r#"{"x":0,"a":8,"b":9}"#] {
                let row = SessionData::from_json(row).unwrap();
                let expected = literally(&sequence, row.clone());
                let applied = all.apply(row.clone()).unwrap();
                assert_eq!(applied.to_json(), expected.to_json(), "{all:?}");
                // In two parts: the edits of a save that succeeded, and of one that did not.
                for (first, rest) in &parts {
                    let stored = first.apply(row.clone()).unwrap();
                    let applied = rest.apply(stored).unwrap();
                    assert_eq!(applied.to_json(), expected.to_json(), "{first:?} {rest:?}");
                    let again = first.clone().then(rest.clone()).apply(row.clone()).unwrap();
                    assert_eq!(again.to_json(), expected.to_json(), "{first:?} {rest:?}");
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
        assert_eq!(edits.0.len(), 5);
        edits.push(Edit::Clear);
        assert_eq!(edits.0.len(), 1);
    }
}
