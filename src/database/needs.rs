//! What middlewares need of the database, and what `check()` has looked at.

use std::sync::atomic::{AtomicU8, Ordering};

/// How much of the database a middleware needs; each needs what those before it need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    Sessions = 1,
    Users,
    Permissions,
}

impl Need {
    const ALL: [Self; 3] = [Self::Sessions, Self::Users, Self::Permissions];

    fn of(level: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|need| *need as u8 == level)
    }

    /// What is not looked at for this, in words.
    pub(super) fn leaves_out(self) -> Option<&'static str> {
        match self {
            Self::Sessions => Some("users and permissions"),
            Self::Users => Some("permissions"),
            Self::Permissions => None,
        }
    }
}

/// The greatest need of the middlewares of a site, and what was checked for.
#[derive(Default)]
pub(super) struct Needs {
    needed: AtomicU8,
    checked: AtomicU8,
}

impl Needs {
    /// A middleware needs this.
    pub(super) fn add(&self, need: Need) {
        let before = Need::of(self.needed.fetch_max(need as u8, Ordering::Relaxed));
        let Some(checked) = Need::of(self.checked.load(Ordering::Relaxed)) else { return };
        // Once is enough: the closure of `HttpServer::new` makes one for each worker.
        let is_news = before.is_none_or(|before| need > before) && need > checked;
        if let Some(not_looked_at) = checked.leaves_out().filter(|_| is_news) {
            tracing::warn!(
                not_looked_at,
                "a middleware was made after check() and needs what that has not looked at: make \
                 the middlewares first, before `HttpServer::new`"
            );
        }
    }

    /// The greatest need; `None` if no middleware was made.
    pub(super) fn greatest(&self) -> Option<Need> {
        Need::of(self.needed.load(Ordering::Relaxed))
    }

    /// `check()` has looked at what this needs.
    pub(super) fn looked_at(&self, need: Need) {
        self.checked.fetch_max(need as u8, Ordering::Relaxed);
    }
}
