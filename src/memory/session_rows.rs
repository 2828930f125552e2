//! The session table.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::Memory;
use crate::{
    database::{SessionRow, Written},
    observe::Event,
    session::{SessionKey, SessionText},
};

impl Memory {
    /// The row with this session key, expired ones too.
    pub(crate) fn session_row(&self, key: &SessionKey) -> Option<SessionRow> {
        self.observer.event(Event::SessionLookup);
        // A new text, as from PostgreSQL: what another request has decoded does not come with it.
        let sessions = self.sessions();
        let found = sessions.get(key.as_str())?;
        Some(row(found.session_data.as_str(), found.expire_date))
    }

    /// Makes a row. The key may be taken; then nothing happens.
    pub(crate) fn insert_session(
        &self,
        key: &SessionKey,
        session_data: &str,
        expire_date: SystemTime,
    ) -> Written {
        let mut sessions = self.sessions();
        if sessions.contains_key(key.as_str()) {
            return Written::KeyTaken;
        }
        sessions.insert(key.as_str().into(), row(session_data, expire_date));
        Written::Done
    }

    /// Stores other data in a row, under another key or the same, if it still holds what was read.
    pub(crate) fn update_session(
        &self,
        (key, read): (&SessionKey, &str),
        (new_key, session_data, expire_date): (&SessionKey, &str, SystemTime),
    ) -> Written {
        let mut sessions = self.sessions();
        if sessions.get(key.as_str()).is_none_or(|row| row.session_data.as_str() != read) {
            return Written::Changed;
        }
        if key.as_str() != new_key.as_str() && sessions.contains_key(new_key.as_str()) {
            return Written::KeyTaken;
        }
        sessions.remove(key.as_str());
        sessions.insert(new_key.as_str().into(), row(session_data, expire_date));
        Written::Done
    }

    /// Deletes a row and returns whether it was there.
    pub(crate) fn delete_session(&self, key: &SessionKey) -> bool {
        self.sessions().remove(key.as_str()).is_some()
    }

    /// Moves the end of a session, if it still ends when it did and returns whether it was moved.
    pub(crate) fn slide_session(&self, key: &SessionKey, was: SystemTime, end: SystemTime) -> bool {
        let mut sessions = self.sessions();
        let row = sessions.get_mut(key.as_str()).filter(|row| row.expire_date == timestamp(was));
        row.map(|row| row.expire_date = timestamp(end)).is_some()
    }

    /// Deletes the rows that ended before this moment and returns how many.
    pub(crate) fn clear_expired(&self, now: SystemTime) -> u64 {
        let mut sessions = self.sessions();
        let before = sessions.len();
        sessions.retain(|_, row| row.expire_date >= timestamp(now));
        (before - sessions.len()) as u64
    }

    /// The session data of all live sessions.
    pub(crate) fn live_sessions(&self, now: SystemTime) -> Vec<String> {
        let sessions = self.sessions();
        let live = sessions.values().filter(|row| row.expire_date > now);
        live.map(|row| row.session_data.as_str().to_owned()).collect()
    }
}

fn row(session_data: &str, expire_date: SystemTime) -> SessionRow {
    let session_data = Arc::new(SessionText::new(session_data));
    SessionRow { session_data, expire_date: timestamp(expire_date) }
}

/// A moment as the table has it: in microseconds.
fn timestamp(moment: SystemTime) -> SystemTime {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_micros(since.as_micros().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{memory::Tables, settings::DjangoSettings};

    #[test]
    fn a_row_changes_only_if_it_still_holds_what_was_read() {
        let memory = Memory::new(Tables::default(), DjangoSettings::new("k"));
        let [one, two, new] = std::array::from_fn(|_| SessionKey::generate());
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let row = |key| {
            let row = memory.session_row(key)?;
            Some((row.session_data.as_str().to_owned(), row.expire_date))
        };
        assert_eq!(memory.insert_session(&one, "a", at(10)), Written::Done);
        assert_eq!(memory.insert_session(&one, "b", at(20)), Written::KeyTaken);
        assert_eq!(memory.insert_session(&two, "c", at(10)), Written::Done);
        assert_eq!(row(&one), Some(("a".into(), at(10))));

        let [once, again] =
            [memory.session_row(&one), memory.session_row(&one)].map(Option::unwrap);
        assert!(!Arc::ptr_eq(&once.session_data, &again.session_data));

        let change = |read, to| memory.update_session((&one, read), (to, "d", at(30)));
        assert_eq!(change("b", &one), Written::Changed);
        assert_eq!(change("b", &new), Written::Changed);
        assert_eq!(change("a", &two), Written::KeyTaken);
        assert_eq!((row(&one), row(&new)), (Some(("a".into(), at(10))), None));
        assert_eq!(change("a", &new), Written::Done);
        assert_eq!((row(&one), row(&new)), (None, Some(("d".into(), at(30)))));
        assert_eq!(change("a", &new), Written::Changed);

        assert!(!memory.slide_session(&new, at(10), at(40)));
        assert!(!memory.slide_session(&one, at(30), at(40)));
        assert_eq!(row(&new), Some(("d".into(), at(30))));
        assert!(memory.slide_session(&new, at(30), at(40)));
        assert_eq!(row(&new), Some(("d".into(), at(40))));

        assert_eq!(memory.clear_expired(at(10)), 0);
        assert_eq!(memory.clear_expired(at(11)), 1);
        assert!(memory.delete_session(&new) && !memory.delete_session(&new));
    }
}
