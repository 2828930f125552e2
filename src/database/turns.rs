//! One write at a time for each row.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A line for each row that somebody writes. A row that is locked holds up only those who write the
/// same one, and takes one connection, however many they are.
#[derive(Default)]
pub(super) struct Turns {
    hasher: RandomState,
    rows: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<()>>>>,
}

/// A place in the line of a row.
pub(super) struct Turn {
    turns: Arc<Turns>,
    row: u64,
    line: Arc<tokio::sync::Mutex<()>>,
}

impl Turns {
    /// A place in the line of this row, to be [waited](Turn::come) for.
    pub(super) fn of(self: &Arc<Self>, row: impl Hash) -> Turn {
        let row = self.hasher.hash_one(row);
        let line = Arc::clone(self.rows().entry(row).or_default());
        Turn { turns: Arc::clone(self), row, line }
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<u64, Arc<tokio::sync::Mutex<()>>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until nobody before writes the row any more.
    pub(super) async fn come(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.line.lock().await
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut rows = self.turns.rows();
        // This one, and the one in the table.
        if Arc::strong_count(&self.line) <= 2 {
            rows.remove(&self.row);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_writes_a_row_and_nothing_is_left_of_it() {
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
