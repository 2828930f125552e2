//! Django's tables in PostgreSQL: the only place that knows SQL.
//!
//! The application's pool names the database. From that pool's manager, the site makes connections of
//! its own that nothing else uses: state that the application leaves on its connections cannot reach a
//! lookup. A [`pool`] holds at most `max_connections` of them. Lookups that many requests make at the
//! same time go through a [`batcher`] of each runtime; rare reads and all writes go [straight](direct)
//! to the pool.

mod attempts;
mod batch;
mod batched;
mod batcher;
mod budget;
mod capacity;
mod catalog;
mod check;
mod connection;
mod connections;
mod direct;
mod expired;
#[cfg(test)]
mod fault_tests;
mod kind;
mod needs;
mod permission_ids;
mod permissions;
mod pool;
mod primary_key;
mod process_id;
mod query_failure;
mod reaper;
mod references;
mod server;
mod session_lookup;
mod sessions;
mod slides;
mod span;
mod statement;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;
mod tokens;
mod turns;
mod user_columns;
mod user_queries;
mod users;
mod visits;
mod wait_queue;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::time::Instant;

use crate::{observe::Observer, settings::DjangoSettings};
use batcher::Batcher;
pub(crate) use budget::{Budget, RequestBudgets, Wait, in_request};
pub(crate) use check::Readable;
use direct::Direct;
pub(crate) use needs::Need;
use needs::Needs;
pub(crate) use permission_ids::HeldPermissions;
use pool::Pool;
pub(crate) use primary_key::{PrimaryKey, PrimaryKeyValue, python_int_in_decimal as python_int};
use server::Server;
use session_lookup::SessionLookup;
pub(crate) use session_lookup::SessionRow;
pub(crate) use sessions::Written;
use sessions::{ColumnQueries, SessionQueries};
use slides::Slides;
use tokens::TokenQueries;
pub(crate) use turns::{Turn, Turns};
use user_columns::UserColumns;
use user_queries::UserQueries;
pub(crate) use users::{ColumnValue, UserRow, UserTexts};
pub(crate) use visits::VisitRows;

/// Django's tables, as the settings name them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    shared: Arc<SharedState>,
    pool: Arc<Pool>,
    direct: Direct,
    observer: Observer,
    session_columns: Option<Arc<ColumnQueries>>,
}

struct SharedState {
    settings: DjangoSettings,
    session_lookup: Batcher<SessionLookup>,
    sessions: SessionQueries,
    slides: Batcher<Slides>,
    user_queries: UserQueries,
    user_columns: UserColumns,
    needs: Needs,
    address: String,
    token_queries: TokenQueries,
    uses_rest_framework: AtomicBool,
    /// The paths of the authentication classes for which the site has a hook.
    authenticators: Mutex<BTreeSet<String>>,
}

impl Database {
    pub(crate) fn new(pool: deadpool_postgres::Pool, settings: DjangoSettings) -> Self {
        let address = address(&pool);
        let server = Server::new(pool, settings.timeout, settings.prepared_statements);
        let pool = Pool::new(server, settings.max_connections);
        Self {
            shared: Arc::new(SharedState {
                session_lookup: Batcher::new(
                    SessionLookup::new(&settings.session_table),
                    pool.clone(),
                ),
                sessions: SessionQueries::new(&settings.session_table),
                slides: Batcher::new(Slides::new(&settings.session_table), pool.clone()),
                user_queries: UserQueries::new(&settings.user_model),
                user_columns: UserColumns::default(),
                needs: Needs::default(),
                address,
                token_queries: TokenQueries::default(),
                uses_rest_framework: AtomicBool::default(),
                authenticators: Mutex::default(),
                settings,
            }),
            direct: Direct::new(&pool),
            pool,
            observer: Observer::default(),
            session_columns: None,
        }
    }

    pub(crate) fn settings(&self) -> &DjangoSettings {
        &self.shared.settings
    }

    /// The end of a whole `timeout` that begins now.
    fn deadline(&self) -> Instant {
        Budget::fresh(self.settings().timeout).wait().deadline()
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// This database with another observer, which is told of events.
    pub(crate) fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// Remembers what a middleware needs, for [`Database::check`].
    pub(crate) fn need(&self, need: Need) {
        self.shared.needs.add(need);
    }

    /// Remembers that the site uses the REST framework's tokens, for [`Database::check`].
    pub(crate) fn use_rest_framework(&self) {
        self.need(Need::Users);
        self.shared.uses_rest_framework.store(true, Ordering::Relaxed);
    }

    pub(crate) fn uses_rest_framework(&self) -> bool {
        self.shared.uses_rest_framework.load(Ordering::Relaxed)
    }

    /// Remembers that the site has a hook for this authentication class, for [`Database::check`].
    pub(crate) fn know_authenticator(&self, path: &str) {
        let mut known = self.shared.authenticators.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_owned());
    }

    pub(crate) fn knows_authenticator(&self, path: &str) -> bool {
        let known = self.shared.authenticators.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(path)
    }

    /// Whether both are clones of one database.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether both connect to the same server and database with the same role and options.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.shared.address == other.shared.address
    }
}

/// The server, database, role and options of this pool's connections, without the password.
fn address(pool: &deadpool_postgres::Pool) -> String {
    // The pool gives no other access to its configuration.
    let manager = format!("{:?}", pool.manager());
    let config = manager
        .split_once("pg_config: ")
        .and_then(|(_, rest)| rest.rsplit_once(", statement_caches"));
    match config {
        Some((config, _)) => config.to_owned(),
        // The address in memory: this pool equals no other one.
        None => format!("{:p}", pool.manager()),
    }
}
