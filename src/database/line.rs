//! Those who wait for a connection, of each kind in the order in which they came.

use std::collections::{HashMap, VecDeque};

use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
    time::Instant,
};

use super::kind::Kind;

/// How many may pass over one who has met a lock, and asks again: what is locked keeps nobody else
/// waiting, and gets its turn all the same.
const PASSES: i64 = 64;

/// Those who wait. `G` is what they wait for.
pub(super) struct Line<G> {
    of_kinds: [HashMap<Id, OfRuntime<G>>; Kind::ALL.len()],
    /// The first and the last who came.
    ends: (i64, i64),
    /// How many ever came.
    number: u64,
    count: usize,
}

/// Those of one kind on one runtime: two lines, in order.
struct OfRuntime<G> {
    first: VecDeque<(Order, Waiting<G>)>,
    again: VecDeque<(Order, Waiting<G>)>,
}

/// Unique: of those who are on a par, the number decides.
type Order = (i64, u64);

pub(super) struct Waiting<G> {
    pub(super) runtime: Handle,
    pub(super) claim: Claim,
    pub(super) grant: oneshot::Sender<G>,
}

/// What for somebody needs a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    First,
    /// Another one has been silent since then: this one has to have answered, or been made, later.
    Instead(Instant),
    /// What was asked was not done, because of a lock perhaps.
    Again,
}

impl Claim {
    pub(super) fn heard_since(self) -> Option<Instant> {
        match self {
            Self::Instead(since) => Some(since),
            Self::First | Self::Again => None,
        }
    }
}

impl<G> Default for OfRuntime<G> {
    fn default() -> Self {
        Self { first: VecDeque::new(), again: VecDeque::new() }
    }
}

impl<G> OfRuntime<G> {
    fn lines(&mut self) -> [&mut VecDeque<(Order, Waiting<G>)>; 2] {
        [&mut self.first, &mut self.again]
    }
}

impl<G> Default for Line<G> {
    fn default() -> Self {
        Self { of_kinds: Default::default(), ends: (0, 0), number: 0, count: 0 }
    }
}

impl<G> Line<G> {
    pub(super) fn push(&mut self, kind: Kind, waiting: Waiting<G>) {
        self.count += 1;
        self.number += 1;
        let (ends, number) = (&mut self.ends, self.number);
        let of_kind = &mut self.of_kinds[kind as usize];
        let OfRuntime { first, again } = of_kind.entry(waiting.runtime.id()).or_default();
        match waiting.claim {
            Claim::First => {
                ends.1 += 1;
                first.push_back(((ends.1, number), waiting));
            }
            // It has waited already, on a connection that is silent.
            Claim::Instead(_) => {
                ends.0 -= 1;
                first.push_front(((ends.0, number), waiting));
            }
            Claim::Again => again.push_back(((ends.1 + PASSES, number), waiting)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes out those who came first and may have a connection, as `may_have` says, in the order in
    /// which they came. Of each kind, on each runtime, no more are looked at than could have one: thousands
    /// may wait, and some of them on a runtime that gets none, for its thread is blocked.
    pub(super) fn serve(
        &mut self,
        connections: usize,
        mut may_have: impl FnMut(Kind, &Waiting<G>) -> bool,
        mut take: impl FnMut(Kind, Waiting<G>),
    ) {
        let mut next: Vec<(Order, Kind, Id, usize)> = Vec::new();
        for kind in Kind::ALL {
            // Who waits in place of another may not have what the next one may; those are few.
            let most = match kind.most_of_runtime() {
                usize::MAX => kind.most(connections),
                _ => usize::MAX,
            };
            let of_kind = &mut self.of_kinds[kind as usize];
            for (runtime, of_runtime) in of_kind.iter_mut() {
                for (index, line) in of_runtime.lines().into_iter().enumerate() {
                    let before = line.len();
                    while line.front().is_some_and(|(_, waiting)| waiting.grant.is_closed()) {
                        line.pop_front();
                    }
                    self.count -= before - line.len();
                    let looked_at = line.iter().take(most);
                    next.extend(looked_at.map(|(order, _)| (*order, kind, *runtime, index)));
                }
            }
            of_kind.retain(|_, of_runtime| of_runtime.lines().iter().any(|line| !line.is_empty()));
        }
        next.sort_unstable_by_key(|(order, ..)| *order);
        for (order, kind, runtime, index) in next {
            let Some(of_runtime) = self.of_kinds[kind as usize].get_mut(&runtime) else { continue };
            let line = &mut *of_runtime.lines()[index];
            let Ok(index) = line.binary_search_by_key(&order, |(order, _)| *order) else {
                continue;
            };
            let is_taken = line
                .get(index)
                .is_some_and(|(_, waiting)| waiting.grant.is_closed() || may_have(kind, waiting));
            if is_taken && let Some((_, waiting)) = line.remove(index) {
                self.count -= 1;
                take(kind, waiting);
            }
        }
    }

    /// Takes out all who wait on a runtime.
    pub(super) fn remove_all(&mut self, runtime: Id) -> Vec<Waiting<G>> {
        let of_runtime = self.of_kinds.iter_mut().filter_map(|of_kind| of_kind.remove(&runtime));
        let lines =
            of_runtime.flat_map(|OfRuntime { first, again }| first.into_iter().chain(again));
        let removed: Vec<_> = lines.map(|(_, waiting)| waiting).collect();
        self.count -= removed.len();
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTIONS: usize = 31;

    /// Those who wait, and the other ends of what they wait for.
    #[derive(Default)]
    struct Crowd {
        line: Line<usize>,
        ends: Vec<oneshot::Receiver<usize>>,
    }

    impl Crowd {
        fn come(&mut self, kind: Kind, claim: Claim) {
            self.come_on(&Handle::current(), kind, claim);
        }

        fn come_on(&mut self, runtime: &Handle, kind: Kind, claim: Claim) {
            let (grant, end) = oneshot::channel();
            self.ends.push(end);
            self.line.push(kind, Waiting { runtime: runtime.clone(), claim, grant });
        }

        /// Serves one, if there is any; how many were looked at, and what for it came.
        fn serve_one(&mut self) -> (usize, Option<Claim>) {
            let (mut looks, mut served) = (0, None);
            let mut is_free = true;
            let may_have = |_, _: &Waiting<usize>| {
                looks += 1;
                std::mem::take(&mut is_free)
            };
            self.line.serve(CONNECTIONS, may_have, |_, waiting| served = Some(waiting.claim));
            (looks, served)
        }
    }

    /// A queue costs no square of its length: what one costs does not depend on how many wait.
    #[tokio::test]
    async fn thousands_who_wait_to_write_are_looked_at_a_few_at_a_time() {
        const COUNT: usize = 8_000;
        let mut crowd = Crowd::default();
        for number in 0..COUNT {
            let claim = if number % 2 == 0 { Claim::First } else { Claim::Again };
            crowd.come(Kind::SessionWrites, claim);
        }
        let mut looks = 0;
        for _ in 0..COUNT {
            let (looked_at, served) = crowd.serve_one();
            assert!(served.is_some());
            looks += looked_at;
        }
        assert!(crowd.line.is_empty());
        let most = 2 * Kind::SessionWrites.most(CONNECTIONS);
        assert!(looks <= COUNT * most, "{looks} looks at {COUNT}");
    }

    #[tokio::test]
    async fn what_met_a_lock_is_passed_over_and_not_for_ever() {
        let mut crowd = Crowd::default();
        for _ in 0..100 {
            crowd.come(Kind::SessionWrites, Claim::Again);
        }
        crowd.come(Kind::SessionWrites, Claim::First);
        assert_eq!(crowd.serve_one().1, Some(Claim::First));
        for passed in 0.. {
            crowd.come(Kind::SessionWrites, Claim::First);
            if crowd.serve_one().1 == Some(Claim::Again) {
                assert!(passed < PASSES + 2, "{passed} passed over it");
                break;
            }
        }
    }

    #[tokio::test]
    async fn who_has_gone_away_is_not_served() {
        let mut crowd = Crowd::default();
        crowd.come(Kind::Sessions, Claim::Instead(Instant::now()));
        crowd.ends.clear();
        crowd.come(Kind::Sessions, Claim::First);
        assert_eq!(crowd.serve_one(), (1, Some(Claim::First)));
        assert_eq!(crowd.serve_one(), (0, None));
        assert!(crowd.line.is_empty());
    }

    /// A runtime whose thread is blocked makes no connection, and keeps only its own waiting.
    #[test]
    fn who_waits_on_one_runtime_hides_nobody_of_another() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (blocked, free) = (runtime(), runtime());
        for kind in Kind::ALL {
            let mut crowd = Crowd::default();
            for claim in [Claim::First, Claim::Again] {
                for _ in 0..100 {
                    crowd.come_on(blocked.handle(), kind, claim);
                }
                crowd.come_on(free.handle(), kind, claim);
            }
            let mut served = Vec::new();
            let has_connection =
                |_, waiting: &Waiting<usize>| waiting.runtime.id() == free.handle().id();
            let take = |_, waiting: Waiting<usize>| served.push(waiting.claim);
            crowd.line.serve(CONNECTIONS, has_connection, take);
            assert_eq!(served, [Claim::First, Claim::Again], "{kind:?}");
        }
    }
}
