//! Django's tables in memory, for tests of handlers. They have the same methods as the database, with the same
//! results.

mod session_rows;
mod user_rows;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    database::SessionRow,
    observe::Observer,
    settings::{DjangoSettings, SessionEngine},
};
pub(crate) use user_rows::User;
use user_rows::UserTables;

/// The tables of one site. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    settings: Arc<DjangoSettings>,
    observer: Observer,
    tables: Tables,
}

/// The rows. Clones are the same rows.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    sessions: Arc<Mutex<BTreeMap<String, SessionRow>>>,
    users: Arc<Mutex<UserTables>>,
}

impl Memory {
    /// A site with these rows. It ignores `UserModel::condition`, which is SQL.
    pub(crate) fn new(tables: Tables, settings: DjangoSettings) -> Self {
        Self { settings: Arc::new(settings), observer: Observer::default(), tables }
    }

    pub(crate) fn settings(&self) -> &DjangoSettings {
        &self.settings
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    pub(crate) fn observed_by(self, observer: Observer) -> Self {
        Self { observer, ..self }
    }

    /// Whether both are clones of one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.settings, &other.settings)
    }

    /// Whether both have the same rows.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tables.sessions, &other.tables.sessions)
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Whether there is a session table to look at.
    pub(crate) fn has_sessions(&self) -> bool {
        self.settings.session_engine != SessionEngine::SignedCookies
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, SessionRow>> {
        lock(&self.tables.sessions)
    }

    fn users(&self) -> MutexGuard<'_, UserTables> {
        lock(&self.tables.users)
    }
}

/// Rows are changed one at a time, so the tables are consistent even after a panic.
fn lock<T>(rows: &Mutex<T>) -> MutexGuard<'_, T> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}
