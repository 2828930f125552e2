//! What a query is for.

/// What a query is for. What one kind waits for, such as a lock, takes no more than a part of the
/// connections from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Sessions,
    Users,
    /// Sessions and users in one.
    Visits,
    Permissions,
    Slides,
    /// Whatever else only reads.
    Reads,
    SessionWrites,
    UserWrites,
    /// Long jobs of the site's owner.
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

    /// Whether what may have been done can be asked again.
    pub(super) fn repeats(self) -> bool {
        !matches!(self, Self::SessionWrites | Self::UserWrites)
    }

    /// Whether it stands in line again when it has met a lock. A page does not wait until somebody has
    /// made an index: its session ends when it would have.
    pub(super) fn waits_for_locks(self) -> bool {
        self != Self::Slides
    }

    /// How many of so many connections it may use at a time. Those that one locked table can stop leave
    /// an eighth to the others.
    pub(super) fn most(self, connections: usize) -> usize {
        let sixteenths = match self {
            Self::Sessions | Self::Visits => 5,
            Self::Users => 4,
            Self::Permissions | Self::Reads | Self::SessionWrites => 3,
            Self::UserWrites => 2,
            Self::Slides => 1,
            // One at a time.
            Self::Jobs => 0,
        };
        (connections * sixteenths / 16).max(1)
    }

    /// How many one runtime may use at a time. What is asked together needs one, another one while that
    /// is silent, and one for those who came later.
    pub(super) fn most_of_runtime(self) -> usize {
        match self {
            Self::Sessions | Self::Users | Self::Permissions | Self::Slides => 3,
            // Those with permissions and those without are asked apart.
            Self::Visits => 6,
            Self::Reads | Self::SessionWrites | Self::UserWrites | Self::Jobs => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whichever table is locked.
    #[test]
    fn what_waits_for_a_lock_leaves_something_to_the_others() {
        let sessions = [Kind::Sessions, Kind::Visits, Kind::SessionWrites, Kind::Slides];
        let users = [Kind::Users, Kind::Visits, Kind::Permissions, Kind::UserWrites];
        for connections in 8..200 {
            for locked in [sessions, users] {
                let held: usize = locked.iter().map(|kind| kind.most(connections)).sum();
                assert!(
                    held <= connections - connections / 8,
                    "{locked:?}: {held} of {connections}"
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
