//! What one runtime has to ask with.

use std::sync::{Arc, OnceLock};

use tokio::time::Instant;
use tokio_postgres::Row;

use super::{
    Database,
    connection::{Lane, Lookup, Manner, Question},
    permissions::Permissions,
    session_lookup::SessionLookup,
    slides::Slides,
    users::Users,
    visits::Visits,
};
use crate::error::Unavailable;

/// The lanes of one runtime, each with a connection of its own, so that none waits for another:
/// sessions not for users, users not for permissions, none for a write. Opened by whoever first asks.
#[derive(Default)]
pub(super) struct Lanes {
    sessions: OnceLock<Lane<SessionLookup>>,
    users: OnceLock<Lane<Users>>,
    visits: OnceLock<Lane<Visits>>,
    visits_with_permissions: OnceLock<Lane<Visits>>,
    permissions: OnceLock<Lane<Permissions>>,
    slides: OnceLock<Lane<Slides>>,
    other: OnceLock<Lane<Reads>>,
    writes: OnceLock<Lane<Writes>>,
}

impl Lanes {
    pub(super) fn sessions(&self, database: &Database) -> &Lane<SessionLookup> {
        open(&self.sessions, &database.shared.session_lookup, database)
    }

    pub(super) fn users(&self, database: &Database, users: &Arc<Users>) -> &Lane<Users> {
        open(&self.users, users, database)
    }

    pub(super) fn visits(&self, database: &Database, visits: &Arc<Visits>) -> &Lane<Visits> {
        open(&self.visits, visits, database)
    }

    pub(super) fn visits_with_permissions(
        &self,
        database: &Database,
        visits: &Arc<Visits>,
    ) -> &Lane<Visits> {
        open(&self.visits_with_permissions, visits, database)
    }

    pub(super) fn permissions(
        &self,
        database: &Database,
        permissions: &Arc<Permissions>,
    ) -> &Lane<Permissions> {
        open(&self.permissions, permissions, database)
    }

    pub(super) fn slides(&self, database: &Database) -> &Lane<Slides> {
        open(&self.slides, &database.shared.slides, database)
    }

    /// Whether the runtime has ended, or a task has panicked.
    pub(super) fn are_over(&self) -> bool {
        self.sessions.get().is_some_and(Lane::is_over)
            || self.users.get().is_some_and(Lane::is_over)
            || self.visits.get().is_some_and(Lane::is_over)
            || self.visits_with_permissions.get().is_some_and(Lane::is_over)
            || self.permissions.get().is_some_and(Lane::is_over)
            || self.slides.get().is_some_and(Lane::is_over)
            || self.other.get().is_some_and(Lane::is_over)
            || self.writes.get().is_some_and(Lane::is_over)
    }
}

fn open<'a, L: Lookup>(
    lane: &'a OnceLock<Lane<L>>,
    lookup: &Arc<L>,
    database: &Database,
) -> &'a Lane<L> {
    lane.get_or_init(|| Lane::open(Arc::clone(lookup), Arc::clone(&database.shared.server)))
}

impl Database {
    /// The lanes of the current runtime.
    pub(super) fn lanes(&self) -> Result<Arc<Lanes>, Arc<Unavailable>> {
        let lanes = self.runtimes.current(Lanes::default, Lanes::are_over);
        lanes.ok_or_else(|| Unavailable::NoRuntime.into())
    }

    /// The rows that answer any question that only reads, asked again elsewhere where need be.
    pub(super) async fn query(
        &self,
        question: Question,
        deadline: Instant,
    ) -> Result<Vec<Row>, Arc<Unavailable>> {
        let lanes = self.lanes()?;
        let lane = open(&lanes.other, &Arc::new(OneByOne), self);
        lane.ask(question, deadline).await
    }

    /// The rows that answer a statement that writes. It is sent at most once, and executed as a
    /// transaction of its own.
    ///
    /// Like every query, it answers with at least one row, whatever it did: data-modifying
    /// statements stand in a `WITH`, and what follows counts what they returned. If that is
    /// lost on the way back, it fails, and may have been executed all the same: the database has
    /// the last word on that.
    pub(super) async fn write(
        &self,
        question: Question,
        deadline: Instant,
    ) -> Result<Vec<Row>, Arc<Unavailable>> {
        let lanes = self.lanes()?;
        let lane = open(&lanes.writes, &Arc::new(OneByOne), self);
        lane.ask(question, deadline).await
    }
}

/// Questions of any kind, one at a time on each connection; clones of one are one.
struct OneByOne<const WRITES: bool>;

type Reads = OneByOne<false>;

/// One may have to wait for a row that somebody else is changing.
type Writes = OneByOne<true>;

impl<const WRITES: bool> Lookup for OneByOne<WRITES> {
    type Key = Question;
    type Answer = Vec<Row>;

    const MANNER: Manner = Manner {
        at_once: 1,
        many: 2,
        connections: if WRITES { 4 } else { 2 },
        spreads: true,
        repeats: !WRITES,
    };

    fn one(&self, key: &Question) -> Question {
        key.clone()
    }

    fn many(&self, keys: &[Question]) -> Question {
        keys[0].clone()
    }

    fn read(&self, _: &[Question], rows: Vec<Row>) -> Vec<Option<Self::Answer>> {
        vec![Some(rows)]
    }

    fn by_itself(&self, _: &Question) -> Option<(Question, Self::Answer)> {
        None
    }
}
