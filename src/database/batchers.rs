//! The batchers of each runtime.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tokio::{
    runtime::{Handle, Id},
    time::Instant,
};
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

/// The statements of one table of tokens, and the batcher that uses them.
type TokenBatcher = (Arc<Users>, Arc<Batcher<Users>>);

/// The batchers of all runtimes. A connection is driven by the runtime that made it. A runtime that
/// sleeps, or whose thread is blocked, therefore delays only its own requests.
pub(super) type RuntimeBatchers = Mutex<HashMap<Id, Arc<Batchers>>>;

/// The batchers of one runtime. No batcher waits for another one. Each starts with its first question.
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

    /// The batcher for the users of the tokens in one table.
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

/// The batchers of a runtime. If their tasks have ended, new ones take their place: code of the application
/// (its connector, its logger) runs in the tasks and may panic. When a runtime gets its first batchers, the
/// batchers of runtimes that have ended are dropped.
fn of_runtime(all: &RuntimeBatchers, runtime: Id) -> Arc<Batchers> {
    // The map is valid even after a panic elsewhere.
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(batchers) = all.get(&runtime).filter(|batchers| !batchers.are_over()) {
        return Arc::clone(batchers);
    }
    all.retain(|_, others| !others.are_over());
    Arc::clone(all.entry(runtime).or_default())
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
        let runtime = Handle::try_current().map_err(|_| Unavailable::NoRuntime)?;
        Ok(of_runtime(&self.batchers, runtime.id()))
    }

    /// The rows that a query returns. It only reads.
    pub(super) async fn query(
        &self,
        query: Query,
        deadline: Instant,
    ) -> Result<Vec<Row>, Arc<Unavailable>> {
        self.direct.read(query, deadline).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        database::test_server::{Mood, TestServer, TestTable},
        settings::DjangoSettings,
    };

    const TIMEOUT: Duration = Duration::from_secs(4);

    #[test]
    fn batchers_that_are_over_are_replaced() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (runtime, other) = (runtime(), runtime());
        let all = RuntimeBatchers::default();
        let first = of_runtime(&all, runtime.handle().id());
        let table = DjangoSettings::new("secret").session_table;
        let pool = TestServer::new().pool(TIMEOUT, 8);
        let batcher =
            other.block_on(async { Batcher::start(Arc::new(SessionLookup::new(&table)), pool) });
        assert!(first.sessions.set(batcher).is_ok());
        assert!(Arc::ptr_eq(&first, &of_runtime(&all, runtime.handle().id())));
        drop(other);
        let second = of_runtime(&all, runtime.handle().id());
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &of_runtime(&all, runtime.handle().id())));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_panicked_is_followed_by_another_one() {
        let server = TestServer::new();
        server.set(Mood::Answers, Mood::Panics);
        let batcher = Batcher::start(TestTable::new(), server.pool(TIMEOUT, 8));
        let ask = async || batcher.ask(1, Instant::now() + TIMEOUT).await.is_ok();
        assert!(!ask().await);
        server.set(Mood::Swallows, Mood::Answers);
        assert!(ask().await && ask().await);
        assert_eq!(server.accepted(), 1);
    }
}
