//! The keys of sessions whose data was large the last time.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::parameters::KeyParameter;

/// From this size on, in bytes, other callers do not wait for a session: its transfer takes longer than
/// everything else.
const LARGE: usize = 64 * 1024;

/// How many keys are remembered. Beyond that, all are forgotten.
const CAPACITY: usize = 4_096;

/// The keys of large sessions, as hashes.
#[derive(Default)]
pub(super) struct LargeKeys {
    hasher: RandomState,
    /// Whether there is any: most sites have no large session.
    has_any: AtomicBool,
    keys: Mutex<HashSet<u64>>,
}

impl LargeKeys {
    pub(super) fn has(&self, key: &KeyParameter) -> bool {
        self.has_any.load(Ordering::Relaxed) && {
            let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.contains(&self.hasher.hash_one(key.as_str()))
        }
    }

    /// Records the size of a session in bytes.
    pub(super) fn note(&self, key: &str, bytes: usize) {
        if bytes < LARGE && !self.has_any.load(Ordering::Relaxed) {
            return;
        }
        let key = self.hasher.hash_one(key);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes < LARGE {
            keys.remove(&key);
        } else {
            if keys.len() >= CAPACITY && !keys.contains(&key) {
                keys.clear();
            }
            keys.insert(key);
        }
        self.has_any.store(!keys.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SessionKey;

    #[test]
    fn large_sessions_are_remembered_and_few() {
        let large = LargeKeys::default();
        let key = |i: usize| SessionKey::new(format!("session-{i}")).unwrap();
        let has = |i| large.has(&(&key(i)).into());
        large.note(key(0).as_str(), LARGE - 1);
        assert!(!has(0));
        for i in 0..CAPACITY {
            large.note(key(i).as_str(), LARGE);
        }
        assert!(has(0) && has(CAPACITY - 1));
        large.note(key(0).as_str(), 0);
        assert!(!has(0) && has(1));
        large.note(key(0).as_str(), LARGE);
        large.note(key(CAPACITY).as_str(), LARGE);
        assert!(!has(0) && has(CAPACITY));
    }
}
