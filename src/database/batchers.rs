//! What one runtime asks with.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::time::Instant;
use tokio_postgres::Row;

use super::{
    Database,
    batcher::{Batched, Batcher},
    permission_ids::KnownPermissions,
    permissions::Permissions,
    session_lookup::SessionLookup,
    slides::Slides,
    statement::Query,
    users::Users,
    visits::Visits,
};
use crate::error::Unavailable;

/// What a table of tokens is asked with, and the batcher of it.
type TokenBatcher = (Arc<Users>, Arc<Batcher<Users>>);

/// The batchers of one runtime, none of which waits for another. Each starts when it is first asked.
#[derive(Default)]
pub(super) struct Batchers {
    sessions: OnceLock<Batcher<SessionLookup>>,
    users: OnceLock<Batcher<Users>>,
    visits: OnceLock<Batcher<Visits>>,
    visits_with_permissions: OnceLock<Batcher<Visits>>,
    permissions: OnceLock<Batcher<Permissions>>,
    /// One for each table of tokens.
    tokens: Mutex<Vec<TokenBatcher>>,
    slides: OnceLock<Batcher<Slides>>,
    /// Those that middlewares ask for.
    pub(super) known_permissions: KnownPermissions,
}

impl Batchers {
    pub(super) fn sessions(&self, database: &Database) -> &Batcher<SessionLookup> {
        start(&self.sessions, &database.shared.session_lookup, database)
    }

    pub(super) fn users(&self, database: &Database, users: &Arc<Users>) -> &Batcher<Users> {
        start(&self.users, users, database)
    }

    pub(super) fn visits(&self, database: &Database, visits: &Arc<Visits>) -> &Batcher<Visits> {
        start(&self.visits, visits, database)
    }

    pub(super) fn visits_with_permissions(
        &self,
        database: &Database,
        visits: &Arc<Visits>,
    ) -> &Batcher<Visits> {
        start(&self.visits_with_permissions, visits, database)
    }

    pub(super) fn permissions(
        &self,
        database: &Database,
        permissions: &Arc<Permissions>,
    ) -> &Batcher<Permissions> {
        start(&self.permissions, permissions, database)
    }

    /// For the users of the tokens in one table.
    pub(super) fn tokens(&self, database: &Database, tokens: &Arc<Users>) -> Arc<Batcher<Users>> {
        let mut started = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let known = started.iter().find(|(other, _)| Arc::ptr_eq(other, tokens));
        if let Some((_, batcher)) = known {
            return Arc::clone(batcher);
        }
        let batcher = Arc::new(Batcher::start(Arc::clone(tokens), database.pool.clone()));
        started.push((Arc::clone(tokens), Arc::clone(&batcher)));
        batcher
    }

    pub(super) fn slides(&self, database: &Database) -> &Batcher<Slides> {
        start(&self.slides, &database.shared.slides, database)
    }

    /// Whether the runtime has ended, or a task has panicked.
    pub(super) fn are_over(&self) -> bool {
        self.sessions.get().is_some_and(Batcher::is_over)
            || self.users.get().is_some_and(Batcher::is_over)
            || self.visits.get().is_some_and(Batcher::is_over)
            || self.visits_with_permissions.get().is_some_and(Batcher::is_over)
            || self.permissions.get().is_some_and(Batcher::is_over)
            || self.is_over_for_tokens()
            || self.slides.get().is_some_and(Batcher::is_over)
    }

    fn is_over_for_tokens(&self) -> bool {
        let started = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        started.iter().any(|(_, batcher)| batcher.is_over())
    }
}

fn start<'a, B: Batched>(
    batcher: &'a OnceLock<Batcher<B>>,
    batched: &Arc<B>,
    database: &Database,
) -> &'a Batcher<B> {
    batcher.get_or_init(|| Batcher::start(Arc::clone(batched), database.pool.clone()))
}

impl Database {
    /// The batchers of the current runtime.
    pub(super) fn batchers(&self) -> Result<Arc<Batchers>, Arc<Unavailable>> {
        let batchers = self.runtimes.current(Batchers::default, Batchers::are_over);
        batchers.ok_or_else(|| Unavailable::NoRuntime.into())
    }

    /// The rows that answer a query that only reads.
    pub(super) async fn query(
        &self,
        query: Query,
        deadline: Instant,
    ) -> Result<Vec<Row>, Arc<Unavailable>> {
        self.direct.read(query, deadline).await
    }
}
