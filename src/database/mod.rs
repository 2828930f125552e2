//! Django's tables in PostgreSQL: the only place that knows SQL.

mod capacity;
mod catalog;
mod changes;
mod check;
mod connection;
mod expired;
mod lanes;
mod needs;
mod parameters;
mod permissions;
mod primary_key;
mod references;
mod session_lookup;
mod sessions;
mod slides;
mod user_columns;
mod user_queries;
mod users;
mod visits;

use std::sync::Arc;

use deadpool_postgres::Pool;
use tokio::time::Instant;

use crate::{observe::Observer, settings::DjangoSettings};
pub(crate) use check::Readable;
pub(crate) use connection::{Patience, Wait};
use connection::{Runtimes, Server};
use lanes::Lanes;
pub(crate) use needs::Need;
use needs::Needs;
pub(crate) use permissions::HeldPermissions;
#[cfg(fuzzing)]
pub(crate) use primary_key::PrimaryKey;
pub(crate) use primary_key::PrimaryKeyValue;
use session_lookup::SessionLookup;
pub(crate) use session_lookup::SessionRow;
use sessions::SessionQueries;
pub(crate) use sessions::Written;
use slides::Slides;
use user_columns::UserColumns;
use user_queries::UserQueries;
pub(crate) use users::{ColumnValue, UserRow};

/// Django's tables, as the settings name them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    shared: Arc<Shared>,
    runtimes: Arc<Runtimes<Lanes>>,
    observer: Observer,
}

struct Shared {
    settings: DjangoSettings,
    server: Arc<Server>,
    session_lookup: Arc<SessionLookup>,
    sessions: SessionQueries,
    slides: Arc<Slides>,
    user_queries: UserQueries,
    user_columns: UserColumns,
    needs: Needs,
    address: String,
}

impl Database {
    pub(crate) fn new(pool: Pool, settings: DjangoSettings) -> Self {
        let address = address(&pool);
        let server = Server::new(pool, settings.lookup_timeout, settings.prepared_statements);
        Self {
            shared: Arc::new(Shared {
                server: Arc::new(server),
                session_lookup: Arc::new(SessionLookup::new(&settings.session_table)),
                sessions: SessionQueries::new(&settings.session_table),
                slides: Arc::new(Slides::new(&settings.session_table)),
                user_queries: UserQueries::new(&settings.user_model),
                user_columns: UserColumns::default(),
                needs: Needs::default(),
                address,
                settings,
            }),
            runtimes: Arc::default(),
            observer: Observer::default(),
        }
    }

    pub(crate) fn settings(&self) -> &DjangoSettings {
        &self.shared.settings
    }

    /// How long a request waits for the database: a `lookup_timeout`, over all it asks.
    pub(crate) fn patience(&self) -> Patience {
        Patience::new(self.settings().lookup_timeout)
    }

    /// When a request that begins to wait now has waited long enough.
    pub(crate) fn deadline(&self) -> Instant {
        self.patience().wait().deadline()
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// This database, with what happens told to that observer.
    pub(crate) fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// Remembers what a middleware needs, for [`Database::check`].
    pub(crate) fn need(&self, need: Need) {
        self.shared.needs.add(need);
    }

    /// Whether both are clones of one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether both connect to one database, in the same way.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.shared.address == other.shared.address
    }
}

/// What connections of this pool are made of: server, database, role, options. The password is not in it.
fn address(pool: &Pool) -> String {
    // The pool hands its configuration out in no other way.
    let manager = format!("{:?}", pool.manager());
    let config = manager
        .split_once("pg_config: ")
        .and_then(|(_, rest)| rest.rsplit_once(", statement_caches"));
    match config {
        Some((config, _)) => config.to_owned(),
        // Then no other pool is taken for this one.
        None => format!("{:p}", pool.manager()),
    }
}
