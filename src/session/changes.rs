//! What a request did to its session, as data: nothing of it is stored yet.
//!
//! There are two questions. Which row is it to be ([`Row`]): the one that was read, that one under a
//! new key, or a new one; a flush also dooms the one that was read. And what became of the data: an
//! list of [`Edits`], which can be made again to data that somebody else has stored meanwhile.

use std::rc::Rc;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    DjangoSession, SessionData, SessionKey,
    edits::{Edit, Edits},
};
use crate::{
    error::{DecodeError, Error},
    signing,
};

/// The session of one request, as its handlers have changed it.
#[derive(Debug)]
pub(crate) struct Changes {
    row: Row,
    /// A row that was flushed and has to be deleted.
    doomed: Option<SessionKey>,
    data: SessionData,
    edits: Edits,
    modified: bool,
    /// Whether nothing was done but to bring the session auth hash up to date.
    only_upgraded: bool,
    /// Whether somebody logs in to what was a stranger's session.
    logs_in: bool,
    /// How often the session was flushed: what was planned before that is not what is wanted now.
    flushes: u32,
}

/// Which row the session is to be.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    /// The one that was read.
    Kept(DjangoSession),
    /// The one that was read, moved to this key.
    Cycled(DjangoSession, SessionKey),
    /// A new one with this key; none if there is nothing to keep in it.
    New { key: SessionKey, even_if_empty: bool },
}

impl Changes {
    /// Nothing done yet, to the row that was read or to none.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the data is too large to be read: it may be sound, and must not be
    /// overwritten.
    pub(crate) fn new(row: Option<DjangoSession>) -> Result<Self, Error> {
        let data = row.as_ref().map_or(Ok(SessionData::new()), readable)?;
        let row = row.map_or_else(new_row, Row::Kept);
        Ok(Self {
            row,
            doomed: None,
            data,
            edits: Edits::default(),
            modified: false,
            only_upgraded: false,
            logs_in: false,
            flushes: 0,
        })
    }

    pub(crate) fn data(&self) -> &SessionData {
        &self.data
    }

    /// The session as it was read or stored last. `None` if it has no row, or gets a new key.
    pub(crate) fn stored(&self) -> Option<&DjangoSession> {
        match &self.row {
            Row::Kept(session) => Some(session),
            Row::Cycled(..) | Row::New { .. } => None,
        }
    }

    /// The session key: that of the row, or the one that it is to get.
    pub(crate) fn key(&self) -> &SessionKey {
        match &self.row {
            Row::Kept(session) => session.key(),
            Row::Cycled(_, key) | Row::New { key, .. } => key,
        }
    }

    /// The row that is to be deleted.
    pub(crate) fn doomed(&self) -> Option<&SessionKey> {
        self.doomed.as_ref()
    }

    /// Whether there is something to store: Django's `modified`, since the last save.
    pub(crate) fn is_modified(&self) -> bool {
        self.modified
    }

    /// Django's `is_empty`: no session, and nothing that would need one.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.row, Row::New { even_if_empty: false, .. }) && self.data.is_empty()
    }

    /// Whether all there is to store is a session auth hash that was brought up to date: nobody asked
    /// for that.
    pub(crate) fn is_only_upgraded(&self) -> bool {
        self.modified && self.only_upgraded
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

    /// Removes a key; says whether it was there. If not, nothing was done.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let removed = self.data.remove(key);
        if removed {
            self.edited(Edit::Remove { key: key.into() });
        }
        removed
    }

    /// Changes a value by a function, which runs again should somebody else change the session.
    ///
    /// # Errors
    /// [`DecodeError::Value`] if the value is no `T`, [`signing::Error::Unserializable`] if what
    /// becomes of it has no JSON form.
    pub(crate) fn update<T, F>(&mut self, key: &str, change: F) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned + Default,
        F: Fn(&mut T) + 'static,
    {
        let key: Rc<str> = key.into();
        let of_key = Rc::clone(&key);
        let update = move |data: &mut SessionData| {
            let mut value = data.get::<T>(&of_key)?.unwrap_or_default();
            change(&mut value);
            Ok(data.insert(&of_key, &value).map_err(DecodeError::from)?)
        };
        update(&mut self.data)?;
        self.edited(Edit::Update { key, update: Rc::new(update) });
        Ok(())
    }

    /// Removes everything. The row stays.
    pub(crate) fn clear(&mut self) {
        self.data = SessionData::new();
        self.edited(Edit::Clear);
    }

    /// Gives the session a new key; the data stays. A session that was none yet will be one.
    pub(crate) fn cycle_key(&mut self) {
        self.row = match std::mem::replace(&mut self.row, new_row()) {
            Row::Kept(session) => Row::Cycled(session, SessionKey::generate()),
            Row::New { key, .. } => Row::New { key, even_if_empty: true },
            cycled @ Row::Cycled(..) => cycled,
        };
        self.changed();
    }

    /// Gives a stranger's session a new key, because somebody logs in to it. Should its row be gone by
    /// then, who logs in gets a session all the same, with nothing of the old one.
    pub(crate) fn cycle_for_login(&mut self) {
        self.cycle_key();
        self.logs_in = true;
    }

    /// Gives the session a new key, and the key of the session auth hash this value.
    ///
    /// # Errors
    /// As [`Changes::insert`].
    pub(crate) fn upgrade(&mut self, key: &str, hash: &str) -> Result<(), signing::Error> {
        let is_all = !self.modified;
        self.cycle_key();
        self.insert(key, hash)?;
        self.only_upgraded = is_all;
        Ok(())
    }

    /// Forgets the data and has the row deleted. What is set afterwards makes a new session.
    pub(crate) fn flush(&mut self) {
        if let Row::Kept(session) | Row::Cycled(session, _) = &self.row {
            self.doomed = Some(session.key().clone());
        }
        self.row = new_row();
        self.data = SessionData::new();
        self.edits = Edits::default();
        self.changed();
        self.logs_in = false;
        self.flushes += 1;
    }

    /// What is to be stored.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            row: self.row.clone(),
            edits: self.edits.clone(),
            logs_in: self.logs_in,
            flushes: self.flushes,
        }
    }

    /// The doomed row was deleted.
    pub(crate) fn deleted(&mut self) {
        self.doomed = None;
    }

    /// The session was stored as planned. What was done while that was under way is still to be
    /// stored.
    ///
    /// # Errors
    /// Those of an `update` that finds another type than it had changed before.
    pub(crate) fn saved(&mut self, session: DjangoSession, plan: &Plan) -> Result<(), Error> {
        if self.flushes != plan.flushes {
            self.doomed = Some(session.key().clone());
            return Ok(());
        }
        let later = std::mem::take(&mut self.edits).since(&plan.edits);
        let cycled_since = matches!((&plan.row, &self.row), (Row::Kept(_), Row::Cycled(..)));
        self.modified = cycled_since || !later.is_empty();
        self.data = later.apply(readable(&session)?)?;
        self.edits = later;
        self.logs_in &= cycled_since;
        self.row = match std::mem::replace(&mut self.row, new_row()) {
            Row::Cycled(_, key) if cycled_since => Row::Cycled(session, key),
            _ => Row::Kept(session),
        };
        Ok(())
    }

    fn edited(&mut self, edit: Edit) {
        self.edits.push(edit);
        self.changed();
    }

    fn changed(&mut self) {
        self.modified = true;
        self.only_upgraded = false;
    }
}

/// What is to be stored: which row, and what was done to the data.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    row: Row,
    edits: Edits,
    logs_in: bool,
    flushes: u32,
}

impl Plan {
    pub(crate) fn row(&self) -> &Row {
        &self.row
    }

    /// The data of this row after the edits, if it is what somebody else stored meanwhile.
    ///
    /// # Errors
    /// As [`Changes::new`] and [`Changes::update`].
    pub(crate) fn apply_to(&self, row: &DjangoSession) -> Result<SessionData, Error> {
        self.edits.apply(readable(row)?)
    }

    /// The data of a new row, if there is to be one where the old one is gone: nothing that somebody
    /// ended comes back, only what this request has put in.
    ///
    /// # Errors
    /// As [`Changes::update`].
    pub(crate) fn anew(&self) -> Result<Option<SessionData>, Error> {
        self.logs_in.then(|| self.edits.apply(SessionData::new())).transpose()
    }
}

fn new_row() -> Row {
    Row::New { key: SessionKey::generate(), even_if_empty: false }
}

/// The data of a row. What Django cannot read counts as empty there, and here.
fn readable(session: &DjangoSession) -> Result<SessionData, Error> {
    match session.data() {
        Ok(data) => Ok(data.clone()),
        Err(error @ DecodeError::Signing(signing::Error::TooLarge { .. })) => Err(error.into()),
        Err(_) => Ok(SessionData::new()),
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
        Changes::new(Some(row(json))).unwrap()
    }

    fn json(changes: &Changes) -> String {
        changes.data().as_json().into_owned()
    }

    #[test]
    fn what_django_calls_no_modification_is_none() {
        let mut changes = changes(r#"{"a":1}"#);
        assert!(!changes.remove("b") && !changes.is_modified());
        changes.insert("a", &1).unwrap();
        assert!(changes.is_modified());
    }

    #[test]
    fn edits_are_applied_again_in_order_to_what_others_stored() {
        let mut changes = changes(r#"{"cart":[1],"a":1,"gone":0}"#);
        changes.update("cart", |cart: &mut Vec<u8>| cart.push(2)).unwrap();
        changes.remove("gone");
        changes.insert("a", &2).unwrap();
        changes.update("a", |a: &mut u8| *a += 1).unwrap();
        assert_eq!(json(&changes), r#"{"cart":[1,2],"a":3}"#);
        let theirs = row(r#"{"b":1.50,"cart":[7],"gone":1}"#);
        let data = changes.plan().apply_to(&theirs).unwrap();
        assert_eq!(data.as_json(), r#"{"b":1.50,"cart":[7,2],"a":3}"#);
        let cleared = row("{}");
        assert_eq!(changes.plan().apply_to(&cleared).unwrap().as_json(), r#"{"cart":[2],"a":3}"#);
        let misfit = row(r#"{"cart":"x"}"#);
        assert!(changes.plan().apply_to(&misfit).is_err());
    }

    #[test]
    fn a_clear_forgets_what_was_done_before_and_what_others_do() {
        let mut changes = changes(r#"{"a":1}"#);
        changes.insert("b", &1).unwrap();
        changes.clear();
        changes.insert("c", &1).unwrap();
        assert!(changes.stored().is_some());
        let data = changes.plan().apply_to(&row(r#"{"x":1}"#)).unwrap();
        assert_eq!(data.as_json(), r#"{"c":1}"#);
    }

    #[test]
    fn a_new_session_is_empty_until_something_needs_it() {
        let mut changes = Changes::new(None).unwrap();
        assert!(changes.is_empty() && !changes.is_modified());
        changes.insert("a", &1).unwrap();
        assert!(!changes.is_empty());
        changes.remove("a");
        assert!(changes.is_empty() && changes.is_modified());
        changes.cycle_key();
        assert!(!changes.is_empty());
        changes.flush();
        assert!(changes.is_empty() && changes.doomed().is_none());
    }

    #[test]
    fn a_flush_dooms_the_row_that_was_read_whatever_was_done_to_it() {
        for cycle in [false, true] {
            let mut changes = changes(r#"{"a":1}"#);
            if cycle {
                changes.cycle_key();
                assert_ne!(changes.key().as_str(), "a-session-key");
            }
            changes.flush();
            assert_eq!(changes.doomed().unwrap().as_str(), "a-session-key");
            assert!(changes.is_empty());
            changes.insert("b", &1).unwrap();
            assert!(changes.stored().is_none());
            assert_ne!(changes.key().as_str(), "a-session-key");
            assert_eq!(json(&changes), r#"{"b":1}"#);
            changes.deleted();
            assert!(changes.doomed().is_none());
        }
    }

    #[test]
    fn what_is_done_while_a_save_is_under_way_is_kept_for_the_next() {
        let mut changes = changes(r#"{"a":1}"#);
        changes.insert("b", &1).unwrap();
        let plan = changes.plan();
        changes.insert("c", &1).unwrap();
        changes.saved(row(r#"{"theirs":1,"a":1,"b":1}"#), &plan).unwrap();
        assert!(changes.is_modified());
        assert_eq!(json(&changes), r#"{"theirs":1,"a":1,"b":1,"c":1}"#);
        let plan = changes.plan();
        changes.saved(row(&json(&changes)), &plan).unwrap();
        assert!(!changes.is_modified());
    }

    #[test]
    fn what_is_ended_while_a_save_is_under_way_stays_ended() {
        let mut changes = changes(r#"{"a":1}"#);
        changes.cycle_key();
        let plan = changes.plan();
        changes.flush();
        changes.insert("b", &1).unwrap();
        let stored = row(r#"{"a":1}"#);
        changes.saved(stored.clone(), &plan).unwrap();
        assert_eq!(changes.doomed().unwrap().as_str(), stored.key().as_str());
        assert_eq!(json(&changes), r#"{"b":1}"#);
        assert!(changes.stored().is_none() && changes.is_modified());
    }

    #[test]
    fn a_key_that_is_cycled_while_a_save_is_under_way_is_cycled_next() {
        let mut changes = changes(r#"{"a":1}"#);
        changes.insert("b", &1).unwrap();
        let plan = changes.plan();
        changes.cycle_key();
        let key = changes.key().clone();
        changes.saved(row(r#"{"a":1,"b":1}"#), &plan).unwrap();
        assert!(changes.is_modified() && changes.stored().is_none());
        assert_eq!(changes.key().as_str(), key.as_str());
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
        let sealed = SessionData::from_json(r#"{"a":1}"#).unwrap().encode(&signer);
        let with = |settings, session_data: &str| {
            let signer = Arc::new(SessionSigner::new(&settings).unwrap());
            let key = SessionKey::generate();
            DjangoSession::new(key, SystemTime::now(), session_data.into(), signer)
        };
        let changes = Changes::new(Some(with(DjangoSettings::new("k"), &sealed))).unwrap();
        assert!(changes.data().is_empty() && !changes.is_empty());
        let many = format!(r#"{{"a":"{}"}}"#, "a".repeat(100));
        let sealed = SessionData::from_json(&many).unwrap().encode(&signer);
        let small = DjangoSettings::new("other").max_decompressed_size(10);
        assert!(Changes::new(Some(with(small, &sealed))).is_err());
    }

    #[test]
    fn debug_output_has_no_data() {
        let mut changes = changes(r#"{"hush":"hush"}"#);
        changes.insert("hush", "hush").unwrap();
        assert!(!format!("{changes:?}").contains("hush"));
    }
}
