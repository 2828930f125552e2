//! `login` of `django.contrib.auth`: what it does to the session.

use super::{BACKEND, HASH};
use crate::{
    crypto::constant_time_compare,
    error::{DecodeError, Error},
    session::{Changes, SessionData, USER_ID},
};

/// What a login does to a session.
#[derive(Debug)]
pub(crate) struct Login {
    before: Before,
    entries: [(&'static str, String); 3],
}

/// What becomes of the session that the visitor had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// The session is of the same user, with the current password: it stays.
    Kept,
    /// The session is anonymous: its data stays, under a new key, so that a key that an attacker planted
    /// is worthless (session fixation).
    Cycled,
    /// The session is of another user, or of another password: nothing stays.
    Flushed,
}

fn has_hash(data: &SessionData, hash: Option<&str>) -> bool {
    let Some(hash) = hash else { return true };
    let found = data.get::<String>(HASH).ok().flatten().unwrap_or_default();
    constant_time_compare(found, hash)
}

impl Login {
    /// The login of a user with this id and session auth hash into a session with this data.
    /// `names_user` says whether the session names that user already.
    pub(crate) fn new(
        data: &SessionData,
        names_user: bool,
        id: String,
        backend: String,
        hash: Option<String>,
    ) -> Self {
        let before = match data.get_json(USER_ID) {
            None => Before::Cycled,
            // Django tries no fallback keys here: a hash of one counts as another user's (I2).
            Some(_) if names_user && has_hash(data, hash.as_deref()) => Before::Kept,
            Some(_) => Before::Flushed,
        };
        let hash = hash.unwrap_or_default();
        Self { before, entries: [(USER_ID, id), (BACKEND, backend), (HASH, hash)] }
    }

    /// The entries that a login sets.
    pub(crate) fn entries(&self) -> &[(&'static str, String)] {
        &self.entries
    }

    /// Applies the login to the session.
    ///
    /// # Errors
    /// [`Error::Undecodable`], never in practice, because text has a JSON form.
    pub(crate) fn apply(&self, changes: &mut Changes) -> Result<(), Error> {
        match self.before {
            Before::Kept => {}
            Before::Cycled => changes.cycle_for_login(),
            Before::Flushed => changes.flush(),
        }
        for (key, value) in &self.entries {
            changes.insert(key, value).map_err(DecodeError::from)?;
        }
        Ok(())
    }
}
