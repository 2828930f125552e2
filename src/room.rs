//! A bound on bytes that are in use at the same time, over all threads.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A number of bytes that may be taken. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    most: u64,
    taken: Arc<AtomicU64>,
}

/// A part of a [`Room`]. It is given back on drop.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Room,
    bytes: u64,
}

impl Room {
    pub(crate) fn of(most: u64) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// The number of bytes in all.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// Takes this many bytes if they are left. It never waits: a caller that has a part and waits for more
    /// would block others that do the same.
    pub(crate) fn take(&self, bytes: u64) -> Option<Taken> {
        let mut taken = Taken { room: self.clone(), bytes: 0 };
        taken.grow(bytes).then_some(taken)
    }

    /// The number of bytes that are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Taken {
    /// The number of bytes of this part.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes this many more bytes if they are left.
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        let with_more =
            |taken: u64| taken.checked_add(bytes).filter(|&taken| taken <= self.room.most);
        let taken =
            self.room.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_more).is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_and_it_comes_back() {
        let room = Room::of(10);
        let shared = room.clone();
        let mut one = room.take(4).unwrap();
        let other = shared.take(5).unwrap();
        assert!(room.take(2).is_none() && !one.grow(2) && room.taken() == 9);
        assert!(one.grow(1) && room.take(0).is_some());
        drop(other);
        assert_eq!(room.taken(), 5);
        drop(one);
        assert!(room.take(u64::MAX).is_none() && room.take(10).is_some());
        assert_eq!(shared.taken(), 0);
    }
}
