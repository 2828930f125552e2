//! Those who wait for a connection, of each kind in the order in which they came.

use std::collections::VecDeque;

use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
    time::Instant,
};

use super::kind::Kind;

/// Those who wait. `G` is what they wait for.
pub(super) struct Line<G> {
    of_kinds: [VecDeque<(i64, Waiting<G>)>; Kind::ALL.len()],
    last: i64,
    first: i64,
    count: usize,
}

pub(super) struct Waiting<G> {
    pub(super) runtime: Handle,
    /// The connection has to have answered, or been made, since then.
    pub(super) heard_since: Option<Instant>,
    pub(super) grant: oneshot::Sender<G>,
}

impl<G> Default for Line<G> {
    fn default() -> Self {
        Self { of_kinds: Default::default(), last: 0, first: 0, count: 0 }
    }
}

impl<G> Line<G> {
    pub(super) fn push(&mut self, kind: Kind, waiting: Waiting<G>) {
        self.count += 1;
        let line = &mut self.of_kinds[kind as usize];
        if waiting.heard_since.is_some() {
            // It has waited already, on a connection that is silent.
            self.first -= 1;
            line.push_front((self.first, waiting));
        } else {
            self.last += 1;
            line.push_back((self.last, waiting));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes out those who came first and may have a connection, as `look` says, in the order in which
    /// they came. Of each kind no more are looked at than could have one: thousands may wait.
    pub(super) fn serve(
        &mut self,
        connections: usize,
        mut look: impl FnMut(Kind, &Waiting<G>) -> Look,
        mut take: impl FnMut(Kind, Waiting<G>),
    ) {
        let mut first: Vec<(i64, Kind)> = Vec::new();
        for kind in Kind::ALL {
            let line = &mut self.of_kinds[kind as usize];
            let before = line.len();
            while line.front().is_some_and(|(_, waiting)| waiting.grant.is_closed()) {
                line.pop_front();
            }
            self.count -= before - line.len();
            // One runtime that has enough must not hide another one behind it; those are few.
            let most = match kind.most_of_runtime() {
                usize::MAX => kind.most(connections),
                _ => usize::MAX,
            };
            first.extend(line.iter().take(most).map(|(number, _)| (*number, kind)));
        }
        first.sort_unstable_by_key(|(number, _)| *number);
        for (number, kind) in first {
            let line = &mut self.of_kinds[kind as usize];
            let Ok(index) = line.binary_search_by_key(&number, |(number, _)| *number) else {
                continue;
            };
            let is_taken = match line.get(index) {
                Some((_, waiting)) if waiting.grant.is_closed() => true,
                Some((_, waiting)) => look(kind, waiting) == Look::Take,
                None => false,
            };
            if is_taken && let Some((_, waiting)) = line.remove(index) {
                self.count -= 1;
                take(kind, waiting);
            }
        }
    }

    /// Takes out all who wait on a runtime.
    pub(super) fn remove_all(&mut self, runtime: Id) -> Vec<Waiting<G>> {
        let mut removed = Vec::new();
        for line in &mut self.of_kinds {
            let (of_runtime, others): (VecDeque<_>, _) =
                std::mem::take(line).into_iter().partition(|(_, w)| w.runtime.id() == runtime);
            *line = others;
            removed.extend(of_runtime.into_iter().map(|(_, waiting)| waiting));
        }
        self.count -= removed.len();
        removed
    }
}

/// What becomes of one who waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Take,
    Wait,
}
