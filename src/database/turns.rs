//! One write at a time for each row.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};

/// A queue for each row that is being written. A locked row delays only the writers of the same row, and
/// takes one connection of each runtime, however many they are.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    hasher: RandomState,
    rows: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<()>>>>,
}

/// A place in the queue of a row. Dropping it makes room for the next writer.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    row: u64,
    /// `None` while the turn has not come.
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// The turn to write this row, which is then to be [waited](Turn::come) for.
    pub(crate) fn of(self: &Arc<Self>, row: impl Hash) -> Turn {
        Turn { turns: Arc::clone(self), row: self.hasher.hash_one(row), guard: None }
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<u64, Arc<tokio::sync::Mutex<()>>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until all earlier writers of the row are done. `None` if they are not done by then.
    pub(crate) async fn come(mut self, until: Instant) -> Option<Self> {
        let queue = Arc::clone(self.turns.rows().entry(self.row).or_default());
        self.guard = Some(timeout_at(until, queue.lock_owned()).await.ok()?);
        Some(self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut rows = self.turns.rows();
        // Only the map has it: no task waits.
        if rows.get(&self.row).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            rows.remove(&self.row);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_writer_at_a_time_has_the_turn_and_the_map_ends_empty() {
        let turns = Arc::<Turns>::default();
        let until = Instant::now() + Duration::from_secs(1);
        let wait = |row: &str| turns.of(row).come(until);
        let first = wait("a").await;
        let mut second = Box::pin(wait("a"));
        assert!((&mut second).now_or_never().is_none());
        assert!(wait("b").now_or_never().flatten().is_some());
        drop(first);
        let second = second.now_or_never().flatten();
        assert!(second.is_some() && turns.rows().len() == 1);
        assert!(wait("a").await.is_none() && Instant::now() >= until);
        drop(wait("a"));
        drop(second);
        assert!(turns.rows().is_empty());
    }
}
