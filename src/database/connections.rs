//! The connections of a site, and how many more it may have.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{runtime::Id, sync::Semaphore, time::Instant};

use super::{
    connection::{Connection, Slot},
    kind::{Claim, Kind},
};

/// How long an idle connection is kept: the last one of its runtime, and each further one.
pub(super) const IDLE: Duration = Duration::from_secs(60);
pub(super) const SECOND_IDLE: Duration = Duration::from_secs(10);

/// How many idle connections a runtime keeps: as many as it usually needs at a time.
const MOST_IDLE: usize = 4;

/// How long a new connection is reserved for its own runtime, even if callers elsewhere have waited
/// longer. Making a connection takes a part of that time.
const TENURE: Duration = Duration::from_millis(50);

/// All connections that count towards the limit: idle, in use, being made, and abandoned.
pub(super) struct Connections {
    most: usize,
    slots: Arc<Semaphore>,
    /// The one at the end is used first.
    idle: Vec<Connection>,
    /// Whose connections are in use, and for what. They are few, so they are counted when that matters.
    in_use: Vec<(Id, Kind)>,
    /// Connections made before this instant are not used again.
    retired: Option<Instant>,
    /// When a connection of each runtime last answered.
    last_answer: HashMap<Id, Instant>,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            slots: Arc::new(Semaphore::new(most)),
            idle: Vec::new(),
            in_use: Vec::new(),
            retired: None,
            last_answer: HashMap::new(),
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Whether all slots are taken.
    pub(super) fn is_full(&self) -> bool {
        self.count() >= self.most
    }

    /// How many slots are taken.
    pub(super) fn count(&self) -> usize {
        self.most - self.slots.available_permits()
    }

    /// Takes the idle connection of this runtime that answered last.
    pub(super) fn take(&mut self, runtime: Id, kind: Kind, claim: Claim) -> Option<Connection> {
        if self.is_at_limit(runtime, kind, claim) {
            return None;
        }
        let now = Instant::now();
        loop {
            let index = self.idle.iter().rposition(|idle| {
                idle.runtime() == runtime
                    && claim.answered_since().is_none_or(|since| !idle.is_silent_since(since))
            })?;
            let connection = self.idle.remove(index);
            // The server may have closed it while it was idle.
            if self.may_stay(&connection, now) {
                self.in_use.push((runtime, kind));
                return Some(connection);
            }
        }
    }

    /// Whether this kind has reached its limit of connections, on this runtime or in all.
    pub(super) fn is_at_limit(&self, runtime: Id, kind: Kind, claim: Claim) -> bool {
        // Each silent connection of a kind may get one hedge.
        let times = 1 + usize::from(claim.answered_since().is_some());
        let of_kind = || self.in_use.iter().filter(|(_, of)| *of == kind);
        let of_runtime = of_kind().filter(|(of, _)| *of == runtime).count();
        of_runtime >= kind.most_of_runtime().saturating_mul(times)
            || of_kind().count() >= times * kind.most(self.most)
    }

    /// Counts a connection as no longer in use.
    pub(super) fn release(&mut self, runtime: Id, kind: Kind) {
        let ended = self.in_use.iter().position(|in_use| *in_use == (runtime, kind));
        if let Some(index) = ended {
            self.in_use.swap_remove(index);
        }
    }

    /// Makes a connection idle again after it has answered.
    pub(super) fn put_back(&mut self, mut connection: Connection) {
        let now = Instant::now();
        connection.answered(now);
        self.last_answer.insert(connection.runtime(), now);
        if self.may_stay(&connection, now) {
            self.idle.push(connection);
        }
    }

    /// Adds a connection that was just made.
    pub(super) fn add(&mut self, connection: Connection) {
        self.idle.push(connection);
    }

    fn may_stay(&self, connection: &Connection, now: Instant) -> bool {
        !connection.is_over(now) && self.retired.is_none_or(|retired| connection.made() >= retired)
    }

    /// A slot for a connection of this runtime: a free one while fewer than `most` are taken, otherwise
    /// that of an idle connection, which is closed.
    pub(super) fn slot(&mut self, claim: Claim, runtime: Id, most: usize) -> Option<Slot> {
        let now = Instant::now();
        // Connections that the server or their runtime has closed take no slot.
        self.idle.retain(|idle| !idle.is_closed());
        // A connection that may be dead gives its slot to its hedge.
        let is_silent = |idle: &Connection| {
            idle.runtime() == runtime
                && claim.answered_since().is_some_and(|since| idle.is_silent_since(since))
        };
        if let Some(index) = self.idle.iter().position(is_silent) {
            return self.idle.remove(index).close();
        }
        if self.count() < most
            && let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned()
        {
            return Some(slot);
        }
        let is_to_spare = |idle: &Connection| now >= idle.made() + TENURE;
        let index = self.idle.iter().position(is_to_spare)?;
        self.idle.remove(index).close()
    }

    /// Whether this runtime has a connection.
    pub(super) fn has_any(&self, runtime: Id) -> bool {
        self.idle.iter().any(|idle| idle.runtime() == runtime)
            || self.in_use.iter().any(|(of, _)| *of == runtime)
    }

    pub(super) fn are_there(&self) -> bool {
        !self.idle.is_empty() || !self.in_use.is_empty()
    }

    /// Whether a connection of this runtime has answered since then.
    pub(super) fn has_answered_since(&self, runtime: Id, since: Instant) -> bool {
        self.last_answer.get(&runtime).is_some_and(|last_answer| *last_answer > since)
    }

    /// Retires all connections made before now: they are not used again.
    pub(super) fn retire_all(&mut self) {
        let now = Instant::now();
        self.retired = Some(now);
        self.idle.retain(|idle| idle.made() >= now);
    }

    /// Closes the idle connections of a runtime that have been silent since this instant.
    pub(super) fn close_silent(&mut self, runtime: Id, since: Instant) {
        self.idle.retain(|idle| idle.runtime() != runtime || !idle.is_silent_since(since));
    }

    /// Closes the idle connection of a runtime that has been idle longest, if the runtime has too many.
    pub(super) fn close_surplus(&mut self, runtime: Id) {
        let of_runtime = |idle: &Connection| idle.runtime() == runtime;
        if self.idle.iter().filter(|idle| of_runtime(idle)).count() > MOST_IDLE
            && let Some(oldest) = self.idle.iter().position(of_runtime)
        {
            drop(self.idle.remove(oldest));
        }
    }

    /// Closes the connections of a runtime that have been idle too long. Returns whether idle ones are
    /// left.
    pub(super) fn sweep(&mut self, runtime: Id) -> bool {
        let now = Instant::now();
        let mut left = self.idle.iter().filter(|idle| idle.runtime() == runtime).count();
        self.idle.retain(|idle| {
            let kept = if left > 1 { SECOND_IDLE } else { IDLE };
            let is_useless = idle.runtime() == runtime
                && (now >= idle.last_answer() + kept || idle.is_over(now));
            left -= usize::from(is_useless);
            !is_useless
        });
        if left == 0 {
            self.last_answer.remove(&runtime);
        }
        left > 0
    }

    /// Whether no runtime can have too many idle connections.
    pub(super) fn has_no_surplus(&self) -> bool {
        self.idle.len() <= MOST_IDLE
    }
}
