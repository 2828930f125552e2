//! Those who wait for a connection, of each kind in the order in which they came.

use std::collections::VecDeque;

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
pub(super) struct WaitQueue<G> {
    by_kind: [KindQueues<G>; Kind::ALL.len()],
    /// The first and the last who came.
    ends: (i64, i64),
    /// How many ever came.
    number: u64,
    count: usize,
}

/// Those of one kind: two lines, in order.
struct KindQueues<G> {
    first: VecDeque<(Order, Waiter<G>)>,
    again: VecDeque<(Order, Waiter<G>)>,
}

/// Unique: of those who are on a par, the number decides.
type Order = (i64, u64);

pub(super) struct Waiter<G> {
    pub(super) runtime: Handle,
    pub(super) claim: Claim,
    pub(super) grant: oneshot::Sender<G>,
}

/// What for somebody needs a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    First,
    /// Another one has been silent since then: this one has to have answered, or been made, later.
    Hedge(Instant),
    /// What was asked was not done, because of a lock perhaps.
    Retry,
}

impl Claim {
    pub(super) fn answered_since(self) -> Option<Instant> {
        match self {
            Self::Hedge(since) => Some(since),
            Self::First | Self::Retry => None,
        }
    }
}

impl<G> Default for KindQueues<G> {
    fn default() -> Self {
        Self { first: VecDeque::new(), again: VecDeque::new() }
    }
}

impl<G> KindQueues<G> {
    fn queues(&mut self) -> [&mut VecDeque<(Order, Waiter<G>)>; 2] {
        [&mut self.first, &mut self.again]
    }
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
        let KindQueues { first, again } = &mut self.by_kind[kind as usize];
        match waiter.claim {
            Claim::First => {
                ends.1 += 1;
                first.push_back(((ends.1, number), waiter));
            }
            // It has waited already, on a connection that is silent.
            Claim::Hedge(_) => {
                ends.0 -= 1;
                first.push_front(((ends.0, number), waiter));
            }
            Claim::Retry => again.push_back(((ends.1 + PASSES, number), waiter)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes out those who came first and may have a connection, as `may_have` says, in the order in
    /// which they came. Of each kind no more are looked at than could have one: thousands may wait.
    pub(super) fn serve(
        &mut self,
        connections: usize,
        mut may_have: impl FnMut(Kind, &Waiter<G>) -> bool,
        mut take: impl FnMut(Kind, Waiter<G>),
    ) {
        let mut next: Vec<(Order, Kind, usize)> = Vec::new();
        for kind in Kind::ALL {
            // One runtime that has enough must not hide another one behind it; those are few.
            let most = match kind.most_of_runtime() {
                usize::MAX => kind.most(connections),
                _ => usize::MAX,
            };
            for (index, queue) in self.by_kind[kind as usize].queues().into_iter().enumerate() {
                let before = queue.len();
                while queue.front().is_some_and(|(_, waiter)| waiter.grant.is_closed()) {
                    queue.pop_front();
                }
                self.count -= before - queue.len();
                next.extend(queue.iter().take(most).map(|(order, _)| (*order, kind, index)));
            }
        }
        next.sort_unstable_by_key(|(order, ..)| *order);
        for (order, kind, index) in next {
            let queue = &mut *self.by_kind[kind as usize].queues()[index];
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

    /// Takes out all who wait on a runtime.
    pub(super) fn remove_all(&mut self, runtime: Id) -> Vec<Waiter<G>> {
        let mut removed = Vec::new();
        for queue in self.by_kind.iter_mut().flat_map(KindQueues::queues) {
            let (of_runtime, others): (VecDeque<_>, _) =
                std::mem::take(queue).into_iter().partition(|(_, w)| w.runtime.id() == runtime);
            *queue = others;
            removed.extend(of_runtime.into_iter().map(|(_, waiter)| waiter));
        }
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
        queue: WaitQueue<usize>,
        ends: Vec<oneshot::Receiver<usize>>,
    }

    impl Crowd {
        fn come(&mut self, kind: Kind, claim: Claim) {
            let (grant, end) = oneshot::channel();
            self.ends.push(end);
            self.queue.push(kind, Waiter { runtime: Handle::current(), claim, grant });
        }

        /// Serves one, if there is any; how many were looked at, and what for it came.
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

    /// A queue costs no square of its length: what one costs does not depend on how many wait.
    #[tokio::test]
    async fn thousands_who_wait_to_write_are_looked_at_a_few_at_a_time() {
        const COUNT: usize = 8_000;
        let mut crowd = Crowd::default();
        for number in 0..COUNT {
            let claim = if number % 2 == 0 { Claim::First } else { Claim::Retry };
            crowd.come(Kind::SessionWrites, claim);
        }
        let mut looks = 0;
        for _ in 0..COUNT {
            let (looked_at, served) = crowd.serve_one();
            assert!(served.is_some());
            looks += looked_at;
        }
        assert!(crowd.queue.is_empty());
        let most = 2 * Kind::SessionWrites.most(CONNECTIONS);
        assert!(looks <= COUNT * most, "{looks} looks at {COUNT}");
    }

    #[tokio::test]
    async fn what_met_a_lock_is_passed_over_and_not_for_ever() {
        let mut crowd = Crowd::default();
        for _ in 0..100 {
            crowd.come(Kind::SessionWrites, Claim::Retry);
        }
        crowd.come(Kind::SessionWrites, Claim::First);
        assert_eq!(crowd.serve_one().1, Some(Claim::First));
        for passed in 0.. {
            crowd.come(Kind::SessionWrites, Claim::First);
            if crowd.serve_one().1 == Some(Claim::Retry) {
                assert!(passed < PASSES + 2, "{passed} passed over it");
                break;
            }
        }
    }

    #[tokio::test]
    async fn who_has_gone_away_is_not_served() {
        let mut crowd = Crowd::default();
        crowd.come(Kind::Sessions, Claim::Hedge(Instant::now()));
        crowd.ends.clear();
        crowd.come(Kind::Sessions, Claim::First);
        assert_eq!(crowd.serve_one(), (1, Some(Claim::First)));
        assert_eq!(crowd.serve_one(), (0, None));
        assert!(crowd.queue.is_empty());
    }
}
