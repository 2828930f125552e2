//! The queue of callers that wait for a connection: first come, first served within each kind.

use std::collections::{HashMap, VecDeque};

use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
};

use super::kind::{Claim, Kind};

/// How many waiters may overtake one that retries after it met a lock. A locked row or table then delays
/// no other caller, and the retry still gets its turn.
const PASSES: i64 = 64;

/// The queue. `G` is what a waiter is granted.
pub(super) struct WaitQueue<G> {
    /// The waiters of each kind on each runtime in two queues, each in order: those that retry, and all
    /// others.
    by_kind: [HashMap<Id, [VecDeque<(Order, Waiter<G>)>; 2]>; Kind::ALL.len()],
    /// The numbers of the first and of the last waiter.
    ends: (i64, i64),
    /// How many waiters have ever been added.
    number: u64,
    count: usize,
}

/// The place in the queue. The second number makes it unique.
type Order = (i64, u64);

pub(super) struct Waiter<G> {
    pub(super) runtime: Handle,
    pub(super) claim: Claim,
    pub(super) grant: oneshot::Sender<G>,
}

impl<G> Default for WaitQueue<G> {
    fn default() -> Self {
        Self { by_kind: Default::default(), ends: (0, 0), number: 0, count: 0 }
    }
}

impl<G> WaitQueue<G> {
    pub(super) fn push(&mut self, kind: Kind, waiter: Waiter<G>) {
        self.count += 1;
        self.number += 1;
        let (ends, number) = (&mut self.ends, self.number);
        let of_kind = &mut self.by_kind[kind as usize];
        let [retries, first] = of_kind.entry(waiter.runtime.id()).or_default();
        match waiter.claim {
            Claim::First => {
                ends.1 += 1;
                first.push_back(((ends.1, number), waiter));
            }
            // Its caller has waited already, on a connection that is silent.
            Claim::Hedge(_) => {
                ends.0 -= 1;
                first.push_front(((ends.0, number), waiter));
            }
            Claim::Retry => retries.push_back(((ends.1 + PASSES, number), waiter)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Removes the first waiters that may have a connection, as `may_have` says, in order. For each kind
    /// and runtime, this looks at no more waiters than could get one: thousands may wait, and some on a
    /// runtime that gets none because its thread is blocked.
    pub(super) fn serve(
        &mut self,
        connections: usize,
        mut may_have: impl FnMut(Kind, &Waiter<G>) -> bool,
        mut take: impl FnMut(Kind, Waiter<G>),
    ) {
        let mut next: Vec<(Order, Kind, Id, usize)> = Vec::new();
        for kind in Kind::ALL {
            // A hedge may not be allowed the connection that the next waiter may have; hedges are few.
            let most = match kind.most_of_runtime() {
                usize::MAX => kind.most(connections),
                _ => usize::MAX,
            };
            let of_kind = &mut self.by_kind[kind as usize];
            for (runtime, of_runtime) in of_kind.iter_mut() {
                for (index, queue) in of_runtime.iter_mut().enumerate() {
                    let before = queue.len();
                    while queue.front().is_some_and(|(_, waiter)| waiter.grant.is_closed()) {
                        queue.pop_front();
                    }
                    self.count -= before - queue.len();
                    let looked_at = queue.iter().take(most);
                    next.extend(looked_at.map(|(order, _)| (*order, kind, *runtime, index)));
                }
            }
            of_kind.retain(|_, of_runtime| of_runtime.iter().any(|queue| !queue.is_empty()));
        }
        next.sort_unstable_by_key(|(order, ..)| *order);
        for (order, kind, runtime, index) in next {
            let Some(of_runtime) = self.by_kind[kind as usize].get_mut(&runtime) else { continue };
            let queue = &mut of_runtime[index];
            let Ok(index) = queue.binary_search_by_key(&order, |(order, _)| *order) else {
                continue;
            };
            let is_taken = queue
                .get(index)
                .is_some_and(|(_, waiter)| waiter.grant.is_closed() || may_have(kind, waiter));
            if is_taken && let Some((_, waiter)) = queue.remove(index) {
                self.count -= 1;
                take(kind, waiter);
            }
        }
    }

    /// Removes all waiters of a runtime.
    pub(super) fn remove_all(&mut self, runtime: Id) -> Vec<Waiter<G>> {
        let of_runtime = self.by_kind.iter_mut().filter_map(|of_kind| of_kind.remove(&runtime));
        let removed: Vec<_> = of_runtime.flatten().flatten().map(|(_, waiter)| waiter).collect();
        self.count -= removed.len();
        removed
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const CONNECTIONS: usize = 31;

    /// A queue, and the receiving ends of its waiters.
    #[derive(Default)]
    struct Waiters {
        queue: WaitQueue<usize>,
        ends: Vec<oneshot::Receiver<usize>>,
    }

    impl Waiters {
        fn come(&mut self, kind: Kind, claim: Claim) {
            self.come_on(&Handle::current(), kind, claim);
        }

        fn come_on(&mut self, runtime: &Handle, kind: Kind, claim: Claim) {
            let (grant, end) = oneshot::channel();
            self.ends.push(end);
            self.queue.push(kind, Waiter { runtime: runtime.clone(), claim, grant });
        }

        /// Serves one waiter if there is one. Returns how many were looked at, and the claim of the one
        /// served.
        fn serve_one(&mut self) -> (usize, Option<Claim>) {
            let (mut looks, mut served) = (0, None);
            let mut is_free = true;
            let may_have = |_, _: &Waiter<usize>| {
                looks += 1;
                std::mem::take(&mut is_free)
            };
            self.queue.serve(CONNECTIONS, may_have, |_, waiter| served = Some(waiter.claim));
            (looks, served)
        }
    }

    /// The cost of serving one waiter does not depend on how many wait.
    #[tokio::test]
    async fn serving_one_of_thousands_of_waiters_looks_at_few() {
        const COUNT: usize = 8_000;
        let mut waiters = Waiters::default();
        for number in 0..COUNT {
            let claim = if number % 2 == 0 { Claim::First } else { Claim::Retry };
            waiters.come(Kind::SessionWrites, claim);
        }
        let mut looks = 0;
        for _ in 0..COUNT {
            let (looked_at, served) = waiters.serve_one();
            assert!(served.is_some());
            looks += looked_at;
        }
        assert!(waiters.queue.is_empty());
        let most = 2 * Kind::SessionWrites.most(CONNECTIONS);
        assert!(looks <= COUNT * most, "{looks} looks at {COUNT}");
    }

    #[tokio::test]
    async fn a_retry_after_a_lock_is_overtaken_but_not_for_ever() {
        let mut waiters = Waiters::default();
        for _ in 0..100 {
            waiters.come(Kind::SessionWrites, Claim::Retry);
        }
        waiters.come(Kind::SessionWrites, Claim::First);
        assert_eq!(waiters.serve_one().1, Some(Claim::First));
        for passed in 0.. {
            waiters.come(Kind::SessionWrites, Claim::First);
            if waiters.serve_one().1 == Some(Claim::Retry) {
                assert!(passed < PASSES + 2, "{passed} passed over it");
                break;
            }
        }
    }

    #[tokio::test]
    async fn a_waiter_that_has_gone_away_is_not_served() {
        let mut waiters = Waiters::default();
        waiters.come(Kind::Sessions, Claim::Hedge(Instant::now()));
        waiters.ends.clear();
        waiters.come(Kind::Sessions, Claim::First);
        assert_eq!(waiters.serve_one(), (1, Some(Claim::First)));
        assert_eq!(waiters.serve_one(), (0, None));
        assert!(waiters.queue.is_empty());
    }

    /// A runtime whose thread is blocked opens no connection, and delays only its own waiters.
    #[test]
    fn waiters_of_a_blocked_runtime_do_not_hide_those_of_another() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (blocked, free) = (runtime(), runtime());
        for kind in Kind::ALL {
            let mut waiters = Waiters::default();
            for claim in [Claim::First, Claim::Retry] {
                for _ in 0..100 {
                    waiters.come_on(blocked.handle(), kind, claim);
                }
                waiters.come_on(free.handle(), kind, claim);
            }
            let mut served = Vec::new();
            let has_connection =
                |_, waiter: &Waiter<usize>| waiter.runtime.id() == free.handle().id();
            let take = |_, waiter: Waiter<usize>| served.push(waiter.claim);
            waiters.queue.serve(CONNECTIONS, has_connection, take);
            assert_eq!(served, [Claim::First, Claim::Retry], "{kind:?}");
        }
    }
}
