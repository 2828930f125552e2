//! What a query is for, and what it may claim.

use tokio::time::Instant;

/// What a query is for. Each kind may use only a part of the connections, so that queries that wait, for a
/// lock for example, leave some to the other kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Sessions,
    Users,
    /// Sessions and users in one query.
    Visits,
    Permissions,
    Slides,
    /// All other reads.
    Reads,
    SessionWrites,
    UserWrites,
    /// Long jobs that the service starts, such as `clear_expired`.
    Jobs,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Sessions,
        Self::Users,
        Self::Visits,
        Self::Permissions,
        Self::Slides,
        Self::Reads,
        Self::SessionWrites,
        Self::UserWrites,
        Self::Jobs,
    ];

    /// Whether a query may be sent again even if the first one may have been executed.
    pub(super) fn repeats(self) -> bool {
        !matches!(self, Self::SessionWrites | Self::UserWrites)
    }

    /// Whether a query is queued again after it met a lock. A slide is not: a page does not wait until an
    /// index has been built, and its session ends at the former time.
    pub(super) fn waits_for_locks(self) -> bool {
        self != Self::Slides
    }

    /// How many of all `connections` this kind may use at a time. The kinds that one locked table can stop
    /// leave an eighth to the others.
    pub(super) fn most(self, connections: usize) -> usize {
        let sixteenths = match self {
            Self::Sessions | Self::Visits => 5,
            Self::Users => 4,
            Self::Permissions | Self::Reads | Self::SessionWrites => 3,
            Self::UserWrites => 2,
            Self::Slides => 1,
            // One job at a time.
            Self::Jobs => 0,
        };
        (connections * sixteenths / 16).max(1)
    }

    /// How many one runtime may use at a time. A batcher needs one, a second one as a hedge, and one for
    /// the next batch.
    pub(super) fn most_of_runtime(self) -> usize {
        match self {
            Self::Sessions | Self::Users | Self::Permissions | Self::Slides => 3,
            // Visits with permissions and visits without have a batcher each.
            Self::Visits => 6,
            Self::Reads | Self::SessionWrites | Self::UserWrites | Self::Jobs => usize::MAX,
        }
    }
}

/// Why a caller needs a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    First,
    /// A hedge: another connection has been silent since this instant. The new one must have answered, or
    /// been made, later.
    Hedge(Instant),
    /// A retry: the query was not executed, for example because of a lock.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whichever table is locked, the kinds that wait for it leave an eighth.
    #[test]
    fn kinds_that_wait_for_a_lock_leave_connections_to_the_others() {
        let sessions = [Kind::Sessions, Kind::Visits, Kind::SessionWrites, Kind::Slides];
        let users = [Kind::Users, Kind::Visits, Kind::Permissions, Kind::UserWrites];
        for connections in 8..200 {
            for locked in [sessions, users] {
                let used: usize = locked.iter().map(|kind| kind.most(connections)).sum();
                assert!(
                    used <= connections - connections / 8,
                    "{locked:?}: {used} of {connections}"
                );
            }
        }
    }

    #[test]
    fn each_kind_may_use_one_however_few_there_are() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!((kind as usize, kind.most(1)), (index, 1));
        }
    }
}
