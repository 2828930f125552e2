//! Which sessions were large the last time.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::parameters::KeyParameter;

/// From how many bytes on others do not wait for a session: sending them takes longer than all the rest.
const LARGE: usize = 64 * 1024;

/// How many large sessions are remembered. When there are more, it begins again.
const CAPACITY: usize = 4_096;

/// Keys of large sessions, as hashes.
#[derive(Default)]
pub(super) struct LargeKeys {
    hasher: RandomState,
    /// Whether there are any: most sites have none.
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

    /// The session with this key has so many bytes now.
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
