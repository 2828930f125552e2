//! A connection of the site's own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool::managed::Manager;
use deadpool_postgres::ClientWrapper;
use tokio::{
    runtime::{Handle, Id},
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};
use tokio_postgres::{
    Error, Row, Statement as Prepared,
    error::SqlState,
    types::{ToSql, Type},
};

use super::{
    process_id,
    query_failure::{QueryFailure, is_lost, may_be_of_another_statement},
    server::Server,
    statement::{Query, Statement},
};
use crate::{crypto::random_bytes, error::Unavailable};

/// The `application_name` of a connection in `pg_stat_activity`, unless the application's configuration
/// sets one.
const APPLICATION_NAME: &str = env!("CARGO_PKG_NAME");

/// How long a prepared statement is used before it is prepared, and so planned, again.
///
/// PostgreSQL keeps a generic plan until ANALYZE or autovacuum tells it that the table has changed: a plan
/// made for an empty table still reads the whole table after a bulk load. Custom plans would see the size
/// of the table each time, but would cost a lookup more than its answer. With `plan_cache_mode = auto`,
/// PostgreSQL keeps such a plan too after five executions, and plans each time where a batch has few keys.
/// Preparing a statement again every 30 seconds costs one round trip.
const STATEMENT_AGE: Duration = Duration::from_secs(30);

/// The greatest age of a connection, less a random part, so that connections do not all end at once.
/// Changes made since it was opened, such as new settings of its role, take effect no later than this.
const GREATEST_AGE: Duration = Duration::from_secs(30 * 60);

/// How much later than the server the client gives up: the error of the server says more.
const GRACE: Duration = Duration::from_secs(5);

/// A permit for one connection: open, being made, or abandoned.
pub(super) type Slot = OwnedSemaphorePermit;

/// A connection that only this site uses, driven by the runtime that made it.
pub(super) struct Connection {
    /// `None` only while the connection is dropped.
    client: Option<ClientWrapper>,
    server: Arc<Server>,
    /// `None` behind a pooler.
    process: Option<Process>,
    runtime: Id,
    made: Instant,
    /// When it last answered, or was made.
    last_answer: Instant,
    ends: Instant,
    round_trip: Duration,
    prepared: Mutex<BTreeMap<i64, (Prepared, Instant)>>,
    /// `None` for the connection that ends processes: its place is reserved. Dropped after the client:
    /// until then, the connection counts.
    slot: Option<Slot>,
}

/// A process of the server. A later process may get the same id; the start time tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: i32,
    /// When it started, in microseconds since 1970.
    pub(super) start: i64,
}

impl Connection {
    /// Opens a connection. The hooks of the application's pool do not run, and what the application does
    /// to its own connections does not affect this one.
    pub(super) async fn open(server: Arc<Server>) -> Result<Self, Error> {
        let client = server.pool.manager().create().await?;
        let now = Instant::now();
        let mut connection = Self {
            client: Some(client),
            server,
            process: None,
            runtime: Handle::current().id(),
            made: now,
            last_answer: now,
            ends: now,
            round_trip: Duration::ZERO,
            prepared: Mutex::default(),
            slot: None,
        };
        connection.set_up().await;
        let chance = f32::from(u8::from_be_bytes(random_bytes())) / 255.0;
        connection.last_answer = Instant::now();
        connection.ends = connection.last_answer + GREATEST_AGE.mul_f32(1.0 - chance / 5.0);
        Ok(connection)
    }

    /// This connection, which takes that slot until it is dropped.
    pub(super) fn in_slot(mut self, slot: Slot) -> Self {
        self.slot = Some(slot);
        self
    }

    /// Drops the connection, which its runtime then closes. Returns the slot.
    pub(super) fn close(mut self) -> Option<Slot> {
        self.slot.take()
    }

    /// Sets the session parameters of the connection.
    ///
    /// Generic plans: they are cheap, and planning for each array of keys is not. `statement_timeout`: the
    /// server ends a query that no caller waits for any more. `lock_timeout`: a query fails soon if it
    /// waits for a lock. Behind a pooler none of this is set, because it would affect other clients.
    async fn set_up(&mut self) {
        const SET_UP: &str = "SELECT d.yes, \
            (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint \
             FROM pg_stat_get_activity(pg_backend_pid())), \
            CASE WHEN d.yes THEN set_config('plan_cache_mode', 'force_generic_plan', false) END, \
            CASE WHEN d.yes AND (t.now = interval '0' OR t.now > $2::text::interval) \
                 THEN set_config('statement_timeout', $2, false) END, \
            CASE WHEN d.yes AND (l.now = interval '0' OR l.now > $3::text::interval) \
                 THEN set_config('lock_timeout', $3, false) END, \
            CASE WHEN d.yes AND current_setting('application_name') = '' \
                 THEN set_config('application_name', $4, false) END \
            FROM (SELECT pg_backend_pid() = $1 AS yes) d, \
                 (SELECT current_setting('statement_timeout')::interval AS now) t, \
                 (SELECT current_setting('lock_timeout')::interval AS now) l";
        let Some(id) = process_id::of(self.client()).await else { return };
        let millis = |limit: Duration| format!("{}ms", limit.as_millis().min(i32::MAX as u128));
        // Later than the callers' own deadline.
        let timeout = millis(self.server.timeout().saturating_add(self.server.retry_interval()));
        let lock_timeout = millis(self.server.lock_timeout());
        let start = Instant::now();
        let parameters: [(&(dyn ToSql + Sync), _); 4] = [
            (&id, Type::INT4),
            (&timeout, Type::TEXT),
            (&lock_timeout, Type::TEXT),
            (&APPLICATION_NAME, Type::TEXT),
        ];
        let answer = self.client().query_typed(SET_UP, &parameters).await;
        self.made = Instant::now();
        self.round_trip = start.elapsed();
        match answer {
            Ok(rows) => {
                let is_own = rows.first().is_some_and(|row| row.try_get(0).ok() == Some(true));
                let start = rows.first().and_then(|row| row.try_get::<_, Option<i64>>(1).ok()?);
                self.process = is_own.then(|| Process { id, start: start.unwrap_or_default() });
            }
            // There was a server, and it may come back: the pool finds that this connection is closed.
            Err(error) if is_lost(&error, self.client()) => return,
            // A server that does not know one of these settings is treated like a pooler.
            Err(_) => {}
        }
        if self.process.is_none() {
            self.server.found_pooler();
        }
    }

    fn client(&self) -> &ClientWrapper {
        self.client.as_ref().expect("a connection has its client until it is dropped")
    }

    /// The server's process that serves only this connection; `None` behind a pooler.
    pub(super) fn process(&self) -> Option<Process> {
        self.process
    }

    /// The runtime that drives it.
    pub(super) fn runtime(&self) -> Id {
        self.runtime
    }

    pub(super) fn made(&self) -> Instant {
        self.made
    }

    /// When it last answered, or was made.
    pub(super) fn last_answer(&self) -> Instant {
        self.last_answer
    }

    /// Records that it has answered.
    pub(super) fn answered(&mut self, now: Instant) {
        self.last_answer = now;
    }

    pub(super) fn is_silent_since(&self, since: Instant) -> bool {
        self.last_answer <= since
    }

    /// Whether it is closed, or has reached its greatest age.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.is_closed() || now >= self.ends
    }

    /// The round trip, measured when the connection was made.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client().is_closed()
    }

    /// Ends a process of the server. Returns whether it was running.
    pub(super) async fn terminate(&self, process: Process) -> Result<bool, Error> {
        const TERMINATE: &str = "SELECT pg_terminate_backend(pid) \
            FROM pg_stat_get_activity($1) \
            WHERE (extract(epoch FROM backend_start) * 1000000)::bigint = $2";
        let parameters: [(&(dyn ToSql + Sync), _); 2] =
            [(&process.id, Type::INT4), (&process.start, Type::INT8)];
        let rows = self.client().query_typed(TERMINATE, &parameters).await?;
        Ok(!rows.is_empty())
    }

    /// Executes a query. Returns its rows, which have its nonce.
    ///
    /// If the prepared statement does not answer, the query is sent again without one: the statement may
    /// have been lost, be out of date, or belong to another client. In each of these cases the server
    /// executed nothing of the query.
    pub(super) async fn query(&self, query: &Query) -> Result<Vec<Row>, QueryFailure> {
        let Query { statement, parameters } = query;
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|parameter| &**parameter as _).collect();
        if self.process.is_some() && self.server.prepares() {
            match self.query_prepared(statement, &parameters).await {
                Ok(rows) if statement.is_answered_by(&rows) => return Ok(rows),
                Ok(_) => self.statement_lost(statement),
                Err(error) if is_lost(&error, self.client()) => {
                    return Err(QueryFailure::Lost(Some(error)));
                }
                Err(error) => match error.code() {
                    Some(&SqlState::INVALID_SQL_STATEMENT_NAME)
                    | Some(&SqlState::DUPLICATE_PSTATEMENT)
                    | Some(&SqlState::PROTOCOL_VIOLATION)
                    | None => self.statement_lost(statement),
                    // "cached plan must not change result type": these queries get this code for no other
                    // reason.
                    Some(&SqlState::FEATURE_NOT_SUPPORTED) => self.forget(statement),
                    Some(code) if may_be_of_another_statement(code) => {}
                    Some(_) => return Err(self.failure(error)),
                },
            }
        }
        match Box::pin(self.query_unnamed(statement, &parameters)).await {
            Ok(rows) if statement.is_answered_by(&rows) => Ok(rows),
            Ok(_) => Err(QueryFailure::Lost(None)),
            Err(error) => Err(self.failure(error)),
        }
    }

    async fn query_prepared(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let known = self.prepared().get(&statement.nonce).cloned();
        let prepared = match known {
            Some((prepared, since)) if since.elapsed() < STATEMENT_AGE => prepared,
            _ => {
                // In a box, because it is done seldom: so the future of a query is small.
                let preparing = self.client().prepare_typed(&statement.sql, &statement.types);
                let prepared = Box::pin(preparing).await?;
                self.prepared().insert(statement.nonce, (prepared.clone(), Instant::now()));
                prepared
            }
        };
        self.client().query(&prepared, parameters).await
    }

    /// Parses, plans and executes in one step: no statement can be lost or be out of date.
    async fn query_unnamed(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let types = statement.types.iter().cloned();
        let typed: Vec<_> = parameters.iter().copied().zip(types).collect();
        self.client().query_typed(&statement.sql, &typed).await
    }

    /// The failure that an error stands for.
    fn failure(&self, error: Error) -> QueryFailure {
        if is_lost(&error, self.client()) {
            return QueryFailure::Lost(Some(error));
        }
        // If a new connection gets the same error, it is final.
        QueryFailure::of(error, self.made.elapsed() >= self.server.timeout())
    }

    /// Executes a statement in a transaction of its own, planned for these parameters, and returns its
    /// rows. `settings` are SET LOCAL statements. The server ends a statement that takes longer than
    /// `longest`.
    ///
    /// Nothing is prepared and no setting outlives the transaction, so this works behind a pooler too.
    /// After an error the connection may be in the middle of the transaction.
    pub(super) async fn transaction(
        &self,
        settings: &str,
        longest: Duration,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Unavailable> {
        // Other isolation levels fail on rows that others have changed, instead of reading them again.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
             SET LOCAL statement_timeout = {}; {settings}",
            longest.as_millis()
        );
        let executed = async {
            self.client().batch_execute(&begin).await?;
            let rows = self.client().query_typed(sql, parameters).await?;
            self.client().batch_execute("COMMIT").await?;
            Ok::<_, Error>(rows)
        };
        let executed = timeout(longest.saturating_add(GRACE), executed).await;
        Ok(executed.map_err(|_| Unavailable::Timeout(longest))??)
    }

    fn statement_lost(&self, statement: &Statement) {
        self.forget(statement);
        self.server.statement_lost();
    }

    /// Forgets a prepared statement: it is prepared again next time.
    fn forget(&self, statement: &Statement) {
        self.prepared().remove(&statement.nonce);
    }

    /// The map is valid even after a panic elsewhere.
    fn prepared(&self) -> MutexGuard<'_, BTreeMap<i64, (Prepared, Instant)>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(mut client) = self.client.take() {
            // The manager keeps a list of the clients it made.
            self.server.pool.manager().detach(&mut client);
        }
    }
}
