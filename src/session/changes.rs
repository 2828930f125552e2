//! The changes that a request made to its session, as data: none of it is stored yet.
//!
//! Changes have two parts. [`Row`] says which row the session is to have: the one that was read, that row
//! under a new key, or a new row; after a flush, the row that was read is to be deleted as well. [`Edits`]
//! say what happened to the data. They can be applied again to data that another request has stored
//! meanwhile.
//!
//! A save takes the edits out: changes made while it runs are left for the next save. If it fails, its
//! edits are put back in front.

use std::rc::Rc;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    DjangoSession, SessionData, SessionKey,
    edits::{Edit, Edits, readable},
};
use crate::{
    error::{DecodeError, Error},
    signing,
};

/// The session of one request, with the changes of its handlers.
#[derive(Debug)]
pub(crate) struct Changes {
    row: Row,
    /// The row of a session that was flushed.
    to_delete: Option<SessionKey>,
    data: SessionData,
    edits: Edits,
    modified: Modified,
    saving: Saving,
}

/// Which row the session is to have.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    /// The row that was read.
    Kept(DjangoSession),
    /// The row that was read, moved to this key.
    Cycled(DjangoSession, SessionKey),
    /// The same, because a user logs in to the session of an anonymous visitor: if its row is gone by
    /// then, a new row is made, without the old data.
    LoggedIn(DjangoSession, SessionKey),
    /// A new row with this key.
    New(SessionKey),
    /// No row until the session has data, then one with this key.
    Blank(SessionKey),
}

/// Django's `modified`, since the last save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Modified {
    #[default]
    No,
    /// Only by an update of the session auth hash, which no handler asked for.
    OnlyUpgraded,
    Yes,
}

/// The state of a save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Saving {
    #[default]
    Nothing,
    UnderWay,
    /// The session was flushed meanwhile: the row that is being stored is to be deleted.
    Void,
}

/// What is being stored: the row, and the edits of its data.
#[derive(Debug)]
pub(crate) struct Save {
    row: Row,
    edits: Edits,
    modified: Modified,
}

impl Changes {
    /// No changes yet, to the row that was read or to no row.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the data is too large to be decoded: it may be valid and must not be
    /// overwritten.
    pub(crate) fn new(row: Option<&DjangoSession>) -> Result<Self, Error> {
        let Some(row) = row else { return Ok(Self::of_no_row()) };
        Ok(Self::none_yet(Row::Kept(row.clone()), readable(row)?))
    }

    /// No changes yet, without a row.
    pub(crate) fn of_no_row() -> Self {
        Self::none_yet(Row::Blank(SessionKey::generate()), SessionData::new())
    }

    fn none_yet(row: Row, data: SessionData) -> Self {
        Self {
            row,
            to_delete: None,
            data,
            edits: Edits::default(),
            modified: Modified::No,
            saving: Saving::Nothing,
        }
    }

    pub(crate) fn data(&self) -> &SessionData {
        &self.data
    }

    /// The session as it was last read or stored. `None` if it has no row or gets a new key.
    pub(crate) fn stored(&self) -> Option<&DjangoSession> {
        match &self.row {
            Row::Kept(session) => Some(session),
            Row::Cycled(..) | Row::LoggedIn(..) | Row::New(_) | Row::Blank(_) => None,
        }
    }

    /// The session key of the row, or the one that it is to get.
    pub(crate) fn key(&self) -> &SessionKey {
        match &self.row {
            Row::Kept(session) => session.key(),
            Row::Cycled(_, key) | Row::LoggedIn(_, key) | Row::New(key) | Row::Blank(key) => key,
        }
    }

    /// The row that is to be deleted.
    pub(crate) fn to_delete(&self) -> Option<&SessionKey> {
        self.to_delete.as_ref()
    }

    /// Whether there are changes that are not stored yet.
    pub(crate) fn is_modified(&self) -> bool {
        self.modified != Modified::No || self.saving == Saving::UnderWay
    }

    /// Django's `is_empty`: no session, and no data that would need one.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.row, Row::Blank(_)) && self.data.is_empty()
    }

    /// Whether the only change is an update of the session auth hash, which no handler asked for.
    pub(crate) fn is_only_upgraded(&self) -> bool {
        self.modified == Modified::OnlyUpgraded
    }

    /// Sets a key.
    ///
    /// # Errors
    /// [`signing::Error::Unserializable`] if the value has no JSON form.
    pub(crate) fn insert<T>(&mut self, key: &str, value: &T) -> Result<(), signing::Error>
    where
        T: Serialize + ?Sized,
    {
        let json = signing::to_json(value)?;
        self.insert_json(key, &json)
    }

    /// Sets a key to a JSON text that [`signing::to_json`] made.
    pub(crate) fn insert_json(&mut self, key: &str, json: &str) -> Result<(), signing::Error> {
        self.data.insert_json(key, json)?;
        self.edited(Edit::Set { key: key.into(), json: json.into() });
        Ok(())
    }

    /// Removes a key. Returns whether it existed; if not, nothing has changed.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let removed = self.data.remove(key);
        if removed {
            self.edited(Edit::Remove { key: key.into() });
        }
        removed
    }

    /// Sets a key to the result of this function for its value. The function runs again if another request
    /// has changed the session meanwhile.
    ///
    /// # Errors
    /// [`signing::Error::Unserializable`] if the value has no JSON form.
    pub(crate) fn updated<T, F>(&mut self, key: &str, value: &T, change: F) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned + Default,
        F: Fn(&mut T) + 'static,
    {
        self.data.insert(key, value).map_err(DecodeError::from)?;
        let key: Rc<str> = key.into();
        let of_key = Rc::clone(&key);
        let update = move |data: &mut SessionData| {
            let mut value = data.get::<T>(&of_key)?.unwrap_or_default();
            change(&mut value);
            Ok(data.insert(&of_key, &value).map_err(DecodeError::from)?)
        };
        self.edited(Edit::Update { key, update: Rc::new(update) });
        Ok(())
    }

    /// Removes all entries. The row stays.
    pub(crate) fn clear(&mut self) {
        self.data = SessionData::new();
        self.edited(Edit::Clear);
    }

    /// Gives the session a new key; the data stays. A session without a row gets one.
    pub(crate) fn cycle_key(&mut self) {
        self.move_row(|row| match row {
            Row::Kept(session) => Row::Cycled(session, SessionKey::generate()),
            Row::Blank(key) => Row::New(key),
            moved => moved,
        });
    }

    /// Gives the session of an anonymous visitor a new key, because a user logs in to it.
    pub(crate) fn cycle_for_login(&mut self) {
        self.move_row(|row| match row {
            Row::Kept(session) => Row::LoggedIn(session, SessionKey::generate()),
            Row::Cycled(session, key) => Row::LoggedIn(session, key),
            Row::Blank(key) => Row::New(key),
            moved => moved,
        });
    }

    /// Gives the session a new key, and sets the session auth hash.
    ///
    /// # Errors
    /// As [`Changes::insert`].
    pub(crate) fn upgrade(&mut self, key: &str, hash: &str) -> Result<(), signing::Error> {
        let was = self.modified;
        self.cycle_key();
        self.insert(key, hash)?;
        self.modified = was.max(Modified::OnlyUpgraded);
        Ok(())
    }

    /// Makes the next save write the row even without changes, or create it: Django's `save()`.
    pub(crate) fn save_anyway(&mut self) {
        if let Row::Blank(key) = &self.row {
            self.row = Row::New(key.clone());
            self.modified = Modified::Yes;
        }
    }

    /// Drops the data and has the row deleted. Later changes make a new session.
    pub(crate) fn flush(&mut self) {
        if let Row::Kept(session) | Row::Cycled(session, _) | Row::LoggedIn(session, _) = &self.row
        {
            self.to_delete = Some(session.key().clone());
        }
        self.row = Row::Blank(SessionKey::generate());
        self.data = SessionData::new();
        self.edits = Edits::default();
        self.modified = Modified::Yes;
        if self.saving == Saving::UnderWay {
            self.saving = Saving::Void;
        }
    }

    /// Records that the flushed row was deleted.
    pub(crate) fn deleted(&mut self) {
        self.to_delete = None;
    }

    /// Takes out what is to be stored. A call of [`saved`](Self::saved) or [`not_saved`](Self::not_saved)
    /// must follow.
    pub(crate) fn start_save(&mut self) -> Save {
        self.saving = Saving::UnderWay;
        Save {
            row: self.row.clone(),
            edits: std::mem::take(&mut self.edits),
            modified: std::mem::take(&mut self.modified),
        }
    }

    /// The changes since the save began.
    pub(crate) fn since_save(&self) -> Edits {
        self.edits.clone()
    }

    /// Records that the session was stored with this data, and adds the changes made since.
    pub(crate) fn saved(&mut self, save: &Save, session: DjangoSession, data: SessionData) {
        if std::mem::take(&mut self.saving) == Saving::Void {
            self.to_delete = Some(session.key().clone());
            return;
        }
        self.data = data;
        let was_kept = matches!(save.row, Row::Kept(_));
        self.row = match std::mem::replace(&mut self.row, Row::Kept(session.clone())) {
            Row::Cycled(_, key) if was_kept => Row::Cycled(session, key),
            Row::LoggedIn(_, key) if was_kept => Row::LoggedIn(session, key),
            _ => Row::Kept(session),
        };
    }

    /// Records that nothing was stored: the edits are put back in front.
    pub(crate) fn not_saved(&mut self, save: Save) {
        if std::mem::take(&mut self.saving) == Saving::Void {
            return;
        }
        self.edits = save.edits.then(std::mem::take(&mut self.edits));
        self.modified = self.modified.max(save.modified);
    }

    fn move_row(&mut self, to: impl FnOnce(Row) -> Row) {
        let row = std::mem::replace(&mut self.row, Row::Blank(SessionKey::generate()));
        self.row = to(row);
        self.modified = Modified::Yes;
    }

    fn edited(&mut self, edit: Edit) {
        self.edits.push(edit);
        self.modified = Modified::Yes;
    }
}

impl Save {
    pub(crate) fn row(&self) -> &Row {
        &self.row
    }

    /// Whether there are unsaved changes: Django's `modified`.
    pub(crate) fn is_modified(&self) -> bool {
        self.modified != Modified::No
    }

    /// Applies the edits to the data of this row, which another request has stored meanwhile.
    ///
    /// # Errors
    /// As [`Edits::apply_to`].
    pub(crate) fn apply_to(&self, row: &DjangoSession) -> Result<SessionData, Error> {
        self.edits.apply_to(row)
    }

    /// The data of a new row, if one replaces a row that is gone: only what this request has set. Data of
    /// a session that was ended does not come back.
    ///
    /// # Errors
    /// As [`Edits::apply_to`].
    pub(crate) fn without_row(&self) -> Result<Option<SessionData>, Error> {
        let logs_in = matches!(self.row, Row::LoggedIn(..));
        logs_in.then(|| self.edits.apply(SessionData::new())).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::SystemTime};

    use super::*;
    use crate::{session::SessionSigner, settings::DjangoSettings};

    fn row(json: &str) -> DjangoSession {
        let signer = SessionSigner::new(&DjangoSettings::new("k")).unwrap();
        let session_data = SessionData::from_json(json).unwrap().encode(&signer);
        let key = SessionKey::new("a-session-key").unwrap();
        DjangoSession::new(key, SystemTime::now(), session_data, Arc::new(signer))
    }

    fn changes(json: &str) -> Changes {
        Changes::new(Some(&row(json))).unwrap()
    }

    /// Changes it as a handler does.
    fn update<T>(changes: &mut Changes, key: &str, change: fn(&mut T))
    where
        T: Serialize + DeserializeOwned + Default + 'static,
    {
        let mut value = changes.data().get::<T>(key).unwrap().unwrap_or_default();
        change(&mut value);
        changes.updated(key, &value, change).unwrap();
    }

    /// The data of another request's row after the edits.
    fn applied_to(changes: &Changes, json: &str) -> Result<String, Error> {
        Ok(changes.since_save().apply_to(&row(json))?.to_json().into_owned())
    }

    /// The row that the save makes.
    fn saved(changes: &mut Changes, save: &Save, stored: DjangoSession) {
        let data = changes.since_save().apply_to(&stored).unwrap();
        changes.saved(save, stored, data);
    }

    fn json(changes: &Changes) -> String {
        changes.data().to_json().into_owned()
    }

    #[test]
    fn what_django_does_not_count_as_a_modification_is_not_stored() {
        let mut changes = changes(r#"{"a":1}"#);
        assert!(!changes.remove("b") && !changes.is_modified());
        changes.insert("a", &1).unwrap();
        assert!(changes.is_modified());
    }

    #[test]
    fn edits_are_applied_again_in_order_to_what_others_stored() {
        let mut changes = changes(r#"{"cart":[1],"a":1,"gone":0}"#);
        update(&mut changes, "cart", |cart: &mut Vec<u8>| cart.push(2));
        changes.remove("gone");
        changes.insert("a", &2).unwrap();
        update(&mut changes, "a", |a: &mut u8| *a += 1);
        assert_eq!(json(&changes), r#"{"cart":[1,2],"a":3}"#);
        let theirs = applied_to(&changes, r#"{"b":1.50,"cart":[7],"gone":1}"#);
        assert_eq!(theirs.unwrap(), r#"{"b":1.50,"cart":[7,2],"a":3}"#);
        assert_eq!(applied_to(&changes, "{}").unwrap(), r#"{"cart":[2],"a":3}"#);
        assert!(applied_to(&changes, r#"{"cart":"x"}"#).is_err());
    }

    #[test]
    fn a_clear_forgets_what_was_done_before_and_what_others_do() {
        let mut changes = changes(r#"{"a":1}"#);
        changes.insert("b", &1).unwrap();
        changes.clear();
        changes.insert("c", &1).unwrap();
        assert!(changes.stored().is_some());
        assert_eq!(applied_to(&changes, r#"{"x":1}"#).unwrap(), r#"{"c":1}"#);
    }

    #[test]
    fn a_new_session_is_empty_until_something_needs_it() {
        let mut changes = Changes::of_no_row();
        assert!(changes.is_empty() && !changes.is_modified());
        changes.insert("a", &1).unwrap();
        assert!(!changes.is_empty());
        changes.remove("a");
        assert!(changes.is_empty() && changes.is_modified());
        changes.cycle_key();
        assert!(!changes.is_empty());
        changes.flush();
        assert!(changes.is_empty() && changes.to_delete().is_none());
    }

    #[test]
    fn a_flush_deletes_the_row_that_was_read_whatever_was_done_to_it() {
        for cycle in [false, true] {
            let mut changes = changes(r#"{"a":1}"#);
            if cycle {
                changes.cycle_key();
                assert_ne!(changes.key().as_str(), "a-session-key");
            }
            changes.flush();
            assert_eq!(changes.to_delete().unwrap().as_str(), "a-session-key");
            assert!(changes.is_empty());
            changes.insert("b", &1).unwrap();
            assert!(changes.stored().is_none());
            assert_ne!(changes.key().as_str(), "a-session-key");
            assert_eq!(json(&changes), r#"{"b":1}"#);
            changes.deleted();
            assert!(changes.to_delete().is_none());
        }
    }

    #[test]
    fn what_is_done_while_a_save_is_under_way_is_kept_for_the_next() {
        let mut changes = changes(r#"{"a":1}"#);
        changes.insert("b", &1).unwrap();
        let save = changes.start_save();
        assert!(changes.is_modified(), "nothing is stored yet");
        changes.insert("c", &1).unwrap();
        saved(&mut changes, &save, row(r#"{"theirs":1,"a":1,"b":1}"#));
        assert!(changes.is_modified());
        assert_eq!(json(&changes), r#"{"theirs":1,"a":1,"b":1,"c":1}"#);
        let save = changes.start_save();
        let stored = row(&json(&changes));
        saved(&mut changes, &save, stored);
        assert!(!changes.is_modified());
    }

    #[test]
    fn what_was_not_saved_comes_before_what_was_done_since() {
        let mut changes = changes(r#"{"n":1}"#);
        update(&mut changes, "n", |n: &mut u8| *n *= 2);
        let save = changes.start_save();
        update(&mut changes, "n", |n: &mut u8| *n += 1);
        changes.not_saved(save);
        assert!(changes.is_modified());
        assert_eq!(json(&changes), r#"{"n":3}"#);
        assert_eq!(applied_to(&changes, r#"{"n":10}"#).unwrap(), r#"{"n":21}"#);
        let save = changes.start_save();
        changes.flush();
        changes.not_saved(save);
        assert_eq!(applied_to(&changes, r#"{"n":10}"#).unwrap(), r#"{"n":10}"#);
    }

    #[test]
    fn what_is_ended_while_a_save_is_under_way_stays_ended() {
        let mut changes = changes(r#"{"a":1}"#);
        changes.cycle_key();
        let save = changes.start_save();
        changes.flush();
        changes.insert("b", &1).unwrap();
        let stored = row(r#"{"a":1}"#);
        saved(&mut changes, &save, stored.clone());
        assert_eq!(changes.to_delete().unwrap().as_str(), stored.key().as_str());
        assert_eq!(json(&changes), r#"{"b":1}"#);
        assert!(changes.stored().is_none() && changes.is_modified());
    }

    #[test]
    fn a_key_that_is_cycled_while_a_save_is_under_way_is_cycled_next() {
        let mut changes = changes(r#"{"a":1}"#);
        changes.insert("b", &1).unwrap();
        let save = changes.start_save();
        changes.cycle_key();
        let key = changes.key().clone();
        saved(&mut changes, &save, row(r#"{"a":1,"b":1}"#));
        assert!(changes.is_modified() && changes.stored().is_none());
        assert_eq!(changes.key().as_str(), key.as_str());
    }

    #[test]
    fn a_log_in_makes_a_row_where_the_old_one_is_gone_and_nothing_else_does() {
        for logs_in in [false, true] {
            let mut changes = changes(r#"{"old":1}"#);
            changes.cycle_key();
            if logs_in {
                changes.cycle_for_login();
            }
            changes.insert("new", &1).unwrap();
            let data = changes.start_save().without_row().unwrap();
            let json = data.map(|data| data.to_json().into_owned());
            assert_eq!(json.as_deref(), logs_in.then_some(r#"{"new":1}"#));
        }
    }

    #[test]
    fn a_save_of_what_has_no_row_makes_one_and_of_what_has_one_is_no_modification() {
        let mut none = Changes::of_no_row();
        none.save_anyway();
        assert!(!none.is_empty() && none.start_save().is_modified());
        let mut some = changes("{}");
        some.save_anyway();
        assert!(!some.is_modified() && !some.start_save().is_modified());
    }

    #[test]
    fn a_hash_that_was_brought_up_to_date_is_one_change_among_others() {
        let mut changes = changes(r#"{"_auth_user_hash":"old"}"#);
        changes.upgrade("_auth_user_hash", "new").unwrap();
        assert!(changes.is_only_upgraded() && changes.stored().is_none());
        changes.insert("a", &1).unwrap();
        assert!(!changes.is_only_upgraded());
        changes.upgrade("_auth_user_hash", "newer").unwrap();
        assert!(!changes.is_only_upgraded());
    }

    #[test]
    fn data_that_no_key_opens_counts_as_empty_and_too_much_of_it_does_not() {
        let signer = SessionSigner::new(&DjangoSettings::new("other")).unwrap();
        let encoded = SessionData::from_json(r#"{"a":1}"#).unwrap().encode(&signer);
        let with = |settings, session_data: &str| {
            let signer = Arc::new(SessionSigner::new(&settings).unwrap());
            let key = SessionKey::generate();
            DjangoSession::new(key, SystemTime::now(), session_data.into(), signer)
        };
        let changes = Changes::new(Some(&with(DjangoSettings::new("k"), &encoded))).unwrap();
        assert!(changes.data().is_empty() && !changes.is_empty());
        let many = format!(r#"{{"a":"{}"}}"#, "a".repeat(100));
        let encoded = SessionData::from_json(&many).unwrap().encode(&signer);
        let mut small = DjangoSettings::new("other");
        small.max_decompressed_size = 10;
        assert!(Changes::new(Some(&with(small, &encoded))).is_err());
    }

    #[test]
    fn debug_output_has_no_data() {
        let mut changes = changes(r#"{"hush":"hush"}"#);
        changes.insert("hush", "hush").unwrap();
        assert!(!format!("{changes:?}").contains("hush"));
    }
}
