//! Which user a session key stood for last: a hint that saves a round trip.
//!
//! The user's id is inside the session data, so the query for the user has to wait for the session.
//! With a hint both go out together. What they answer is then checked as always: a hint that turns
//! out wrong costs another query, and never makes a wrong answer.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::PrimaryKeyValue;
use crate::session::SessionKey;

/// How many hints a site keeps, some 100 bytes each. When there are more, it starts anew.
const CAPACITY: usize = 32_768;

/// Whom a session key stood for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UserHint {
    pub(crate) user: PrimaryKeyValue,
    /// Whether it takes a query to know what the user may.
    pub(crate) looks_up_permissions: bool,
}

/// The hints of one site. Session keys are not kept, only their hashes.
#[derive(Default)]
pub(crate) struct UserHints {
    hasher: RandomState,
    users: Mutex<HashMap<u64, UserHint>>,
}

impl UserHints {
    pub(crate) fn get(&self, key: &SessionKey) -> Option<UserHint> {
        self.users().get(&self.hash(key)).cloned()
    }

    pub(crate) fn remember(&self, key: &SessionKey, hint: UserHint) {
        let hash = self.hash(key);
        let mut users = self.users();
        if users.len() >= CAPACITY && !users.contains_key(&hash) {
            users.clear();
        }
        users.insert(hash, hint);
    }

    pub(crate) fn forget(&self, key: &SessionKey) {
        self.users().remove(&self.hash(key));
    }

    fn users(&self) -> MutexGuard<'_, HashMap<u64, UserHint>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hash(&self, key: &SessionKey) -> u64 {
        self.hasher.hash_one(key.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_bounded() {
        let hints = UserHints::default();
        let key = |i: usize| SessionKey::new(format!("session-{i}")).unwrap();
        let hint = UserHint { user: PrimaryKeyValue::Integer(1), looks_up_permissions: true };
        for i in 0..CAPACITY + 1 {
            hints.remember(&key(i), hint.clone());
        }
        assert_eq!(hints.users().len(), 1);
        assert!(hints.get(&key(0)).is_none());
        assert_eq!(hints.get(&key(CAPACITY)), Some(hint));
        hints.forget(&key(CAPACITY));
        assert!(hints.get(&key(CAPACITY)).is_none());
    }
}
