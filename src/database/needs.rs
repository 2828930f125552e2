//! What middlewares need of the database, and what `check()` has checked.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a middleware needs of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Sessions,
    /// Users, and sessions.
    Users,
    /// And users.
    Permissions,
    /// And users.
    Groups,
}

impl Need {
    const ALL: [Self; 4] = [Self::Sessions, Self::Users, Self::Permissions, Self::Groups];

    fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Users => "users",
            Self::Permissions => "permissions",
            Self::Groups => "groups",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of needs, one bit for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NeedSet(u8);

impl NeedSet {
    pub(super) fn has(self, need: Need) -> bool {
        self.0 & need.bit() != 0
    }

    pub(super) fn with(self, need: Need) -> Self {
        Self(self.0 | Self::from(need).0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The needs that are missing here, in words.
    pub(super) fn complement(self) -> Option<String> {
        let all = Need::ALL.into_iter().fold(0, |bits, need| bits | need.bit());
        Self(all).without(self).words()
    }

    /// In words; `None` for an empty set.
    fn words(self) -> Option<String> {
        let needs = Need::ALL.into_iter().filter(|need| self.has(*need));
        let names: Vec<_> = needs.map(Need::name).collect();
        let (last, others) = names.split_last()?;
        Some(match others {
            [] => (*last).to_owned(),
            _ => format!("{} and {last}", others.join(", ")),
        })
    }
}

/// The need, and all that it implies.
impl From<Need> for NeedSet {
    fn from(need: Need) -> Self {
        let below = match need {
            Need::Sessions => 0,
            Need::Users => Self::from(Need::Sessions).0,
            Need::Permissions | Need::Groups => Self::from(Need::Users).0,
        };
        Self(below | need.bit())
    }
}

/// What the middlewares of a site need, and what was checked.
#[derive(Default)]
pub(super) struct Needs {
    needed: AtomicU8,
    checked: AtomicU8,
}

impl Needs {
    /// Adds the need of a middleware.
    pub(super) fn add(&self, need: Need) {
        let needed = NeedSet::from(need);
        let before = NeedSet(self.needed.fetch_or(needed.0, Ordering::Relaxed));
        let checked = self.checked.load(Ordering::Relaxed);
        if checked == 0 {
            return;
        }
        // One warning is enough: the closure of `HttpServer::new` makes a middleware for each worker.
        let news = needed.without(before).without(NeedSet(checked));
        if let Some(not_looked_at) = news.words() {
            tracing::warn!(
                not_looked_at,
                "a middleware was made after check() and needs what that has not looked at: make \
                 the middlewares first, before `HttpServer::new`"
            );
        }
    }

    /// All needs; `None` if no middleware was made.
    pub(super) fn all(&self) -> Option<NeedSet> {
        Some(NeedSet(self.needed.load(Ordering::Relaxed))).filter(|needed| needed.0 != 0)
    }

    /// Records that `check()` has checked these.
    pub(super) fn checked(&self, needs: NeedSet) {
        self.checked.fetch_or(needs.0, Ordering::Relaxed);
    }
}
