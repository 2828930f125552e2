//! One write at a time for each row.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A queue for each row that is being written. A locked row delays only the writers of the same row, and
/// takes one connection, however many they are.
#[derive(Default)]
pub(super) struct Turns {
    hasher: RandomState,
    rows: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<()>>>>,
}

/// A place in the queue of a row.
pub(super) struct Turn {
    turns: Arc<Turns>,
    row: u64,
    queue: Arc<tokio::sync::Mutex<()>>,
}

impl Turns {
    /// Takes a place in the queue of this row. The turn is then to be [waited](Turn::come) for.
    pub(super) fn of(self: &Arc<Self>, row: impl Hash) -> Turn {
        let row = self.hasher.hash_one(row);
        let queue = Arc::clone(self.rows().entry(row).or_default());
        Turn { turns: Arc::clone(self), row, queue }
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<u64, Arc<tokio::sync::Mutex<()>>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until all earlier writers of the row are done.
    pub(super) async fn come(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.queue.lock().await
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut rows = self.turns.rows();
        // This clone, and the one in the map.
        if Arc::strong_count(&self.queue) <= 2 {
            rows.remove(&self.row);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_writer_at_a_time_has_the_turn_and_the_map_ends_empty() {
        let turns = Arc::<Turns>::default();
        let (first, second, other) = (turns.of("a"), turns.of("a"), turns.of("b"));
        let guard = first.come().await;
        assert!(second.come().now_or_never().is_none());
        assert!(other.come().now_or_never().is_some());
        drop(guard);
        assert!(second.come().now_or_never().is_some());
        drop((first, other));
        assert_eq!(turns.rows().len(), 1);
        drop(second);
        assert!(turns.rows().is_empty());
    }
}
