//! A cache of decoded session data: no text is unsigned, decompressed and parsed twice.

use std::{
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{OptionsBuilder, Weighter, sync::Cache};

use super::{SessionKey, text::DecodedText};

/// The last decoded text of each session, with its data.
///
/// It is exact: an entry counts only for a text that equals its own byte for byte. So it needs no
/// invalidation, and a wrong entry can only cost the work that it would have saved. It does not keep
/// session keys, only hashes, made with a key that stays in the process. Two keys with the same hash
/// replace each other.
///
/// Its size in bytes is bounded. When it is full, entries that were not used lately leave, one at a time.
pub(crate) struct Memo {
    site: u64,
    hasher: RandomState,
    texts: Cache<u64, Arc<DecodedText>, Bytes, BuildHasherDefault<Hashed>>,
    /// The size of the largest text that is kept. One text must not drive out all others.
    largest: usize,
}

static SITES: AtomicU64 = AtomicU64::new(0);

/// The number of shards, each with a lock.
const PARTS: usize = 16;

/// The usual size of an entry. From this the cache derives how many keys of removed entries to remember,
/// at 8 bytes each.
const USUAL_SIZE: usize = 1024;

/// The largest text is this fraction of the whole: an eighth of a shard.
const LARGEST_PART: usize = 8 * PARTS;

/// The memory that an entry takes in the cache and in the counters of an [`Arc`], and that allocation
/// wastes.
const OVERHEAD: usize = 192;

impl Memo {
    /// Makes a cache of this many bytes.
    pub(crate) fn new(size: usize) -> Self {
        let options = OptionsBuilder::new()
            .shards(PARTS)
            .estimated_items_capacity(size.div_ceil(USUAL_SIZE))
            .weight_capacity(size as u64)
            .build()
            .expect("both capacities are set");
        let texts = Cache::with_options(options, Bytes, Default::default(), Default::default());
        let site = SITES.fetch_add(1, Ordering::Relaxed);
        Self { site, hasher: RandomState::new(), texts, largest: size / LARGEST_PART }
    }

    /// The number of the site whose cache this is. No other site in this process has it.
    pub(crate) fn site(&self) -> u64 {
        self.site
    }

    /// Returns the entry of the session with this key.
    pub(crate) fn get(&self, key: &SessionKey) -> Option<Arc<DecodedText>> {
        self.texts.get(&self.hash(key))
    }

    /// Keeps a decoded text, in place of the former one of this key.
    pub(crate) fn remember(&self, key: &SessionKey, text: Arc<DecodedText>) {
        if text.size() <= self.largest {
            self.texts.insert(self.hash(key), text);
        } else {
            self.forget(key);
        }
    }

    pub(crate) fn forget(&self, key: &SessionKey) {
        self.texts.remove(&self.hash(key));
    }

    fn hash(&self, key: &SessionKey) -> u64 {
        self.hasher.hash_one(key.as_str())
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("len", &self.texts.len()).finish_non_exhaustive()
    }
}

/// The hash of a session key, which need not be hashed again.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The weight of an entry is the memory that it takes. That never changes while it is cached: see
/// [`DecodedText::size`].
#[derive(Clone)]
struct Bytes;

impl Weighter<u64, Arc<DecodedText>> for Bytes {
    fn weight(&self, _: &u64, text: &Arc<DecodedText>) -> u64 {
        (text.size() + OVERHEAD) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        session::{SessionData, SessionSigner, text::SessionText},
        settings::DjangoSettings,
    };

    fn decoded(json: &str) -> Arc<DecodedText> {
        let signer = SessionSigner::new(&DjangoSettings::new("k")).unwrap();
        let data = SessionData::from_json(json).unwrap();
        SessionText::new(data.encode(&signer)).decode(&signer).unwrap()
    }

    /// The data that Django's `login()` writes, and some of a shop.
    fn usual() -> Arc<DecodedText> {
        decoded(&format!(
            r#"{{"_auth_user_id":"123456","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"{}","cart":[17,4,33],"last_seen":"2026-11-30T12:00:00"}}"#,
            "0123456789abcdef".repeat(4)
        ))
    }

    fn key(number: usize) -> SessionKey {
        SessionKey::new(format!("session-{number}")).unwrap()
    }

    #[test]
    fn the_default_is_enough_for_a_hundred_thousand_visitors() {
        let memo = Memo::new(DjangoSettings::new("k").max_memo_size);
        let text = usual();
        for number in 0..100_000 {
            memo.remember(&key(number), Arc::clone(&text));
        }
        assert_eq!(memo.texts.len(), 100_000);
    }

    #[test]
    fn it_is_bounded_by_bytes_and_one_leaves_at_a_time() {
        let size = 1 << 20;
        let memo = Memo::new(size);
        let text = usual();
        let room = size / (text.size() + OVERHEAD);
        for number in 0..10 * room {
            memo.remember(&key(number), Arc::clone(&text));
            assert!(memo.texts.weight() <= size as u64);
            assert!(memo.texts.len() >= number.min(room) * 3 / 4, "{number}");
        }
        // An entry that is used often stays.
        for number in 0..10 * room {
            memo.remember(&key(number), Arc::clone(&text));
            assert!(number < room || memo.get(&key(3)).is_some(), "{number}");
            memo.get(&key(3)).map_or_else(|| memo.remember(&key(3), Arc::clone(&text)), drop);
        }
        memo.forget(&key(3));
        assert!(memo.get(&key(3)).is_none());
    }

    #[test]
    fn a_large_text_drives_no_entry_out_and_removes_its_former_one() {
        let memo = Memo::new(1 << 20);
        memo.remember(&key(0), usual());
        memo.remember(&key(1), usual());
        memo.remember(&key(1), decoded(&format!(r#"{{"large":"{}"}}"#, "é!".repeat(4_000))));
        assert!(memo.get(&key(0)).is_some() && memo.get(&key(1)).is_none());
    }

    #[test]
    fn nothing_is_remembered_in_no_bytes() {
        let memo = Memo::new(0);
        memo.remember(&key(0), usual());
        assert!(memo.get(&key(0)).is_none());
    }

    #[test]
    fn it_shows_no_session_key_and_no_data() {
        let memo = Memo::new(1 << 20);
        memo.remember(&SessionKey::new("hush-hush").unwrap(), decoded(r#"{"hush":1}"#));
        assert!(!format!("{memo:?}").contains("hush"));
    }
}
