//! One connection of the site's own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool::managed::Manager;
use deadpool_postgres::ClientWrapper;
use tokio::time::Instant;
use tokio_postgres::{
    Error, Row, Statement,
    error::{DbError, Severity, SqlState},
    types::{ToSql, Type},
};

use super::{Query, Question, Server, greeting};

/// How long a prepared statement is used before it is prepared again, so that it is planned again.
///
/// A plan that holds for any parameters stays until the server hears that the table has changed,
/// from ANALYZE or autovacuum: one that was made for an empty table reads all of what a bulk load
/// has put in. Custom plans would see the size of the table each time, and would cost a lookup more
/// than its answer; left to itself (`plan_cache_mode = auto`), PostgreSQL keeps such a plan likewise
/// after five executions, and plans each time where a batch has few keys. Preparing a statement
/// again costs one round trip, which is nothing at this distance.
const GREATEST_AGE: Duration = Duration::from_secs(30);

/// A connection that nothing but this site uses, driven by the runtime it was made on.
pub(super) struct Link {
    /// `None` only while it is dropped.
    client: Option<ClientWrapper>,
    server: Arc<Server>,
    /// Whether it is a server's process of its own.
    is_direct: bool,
    round_trip: Duration,
    statements: Mutex<HashMap<i64, (Statement, Instant)>>,
}

/// Why a question was not answered.
pub(super) enum Failure {
    /// The connection is gone, or cannot be trusted any more; another one may answer.
    Lost(Option<Error>),
    /// The server does not answer this question.
    Refused(Error),
}

impl Link {
    /// The pool's hooks do not run, and what the application does to the pool's connections is not
    /// seen here.
    pub(super) async fn connect(server: Arc<Server>) -> Result<Self, Error> {
        let client = server.pool.manager().create().await?;
        let mut link = Self {
            client: Some(client),
            server,
            is_direct: false,
            round_trip: Duration::ZERO,
            statements: Mutex::default(),
        };
        link.settle().await;
        Ok(link)
    }

    /// Makes itself at home where nobody else will come after it.
    ///
    /// Plans that hold for any number of keys: they are cheap, and making one for each array of keys
    /// is not. And the server is to end what nobody waits for any more, even if it waits for a lock
    /// and does not notice that its client has gone. Behind a pooler, both would hit others.
    async fn settle(&mut self) {
        const SETTLE: &str = "SELECT d.yes, \
            CASE WHEN d.yes THEN set_config('plan_cache_mode', 'force_generic_plan', false) END, \
            CASE WHEN d.yes AND (t.now = interval '0' OR t.now > $2::text::interval) \
                 THEN set_config('statement_timeout', $2, false) END \
            FROM (SELECT pg_backend_pid() = $1 AS yes) d, \
                 (SELECT current_setting('statement_timeout')::interval AS now) t";
        let Some(process) = greeting::process_id(self.client()).await else { return };
        // Later than those who asked give up.
        let timeout = self.server.timeout().saturating_add(self.server.share());
        let timeout = format!("{}ms", timeout.as_millis().min(i32::MAX as u128));
        let start = Instant::now();
        let parameters: [(&(dyn ToSql + Sync), _); 2] =
            [(&process, Type::INT4), (&timeout, Type::TEXT)];
        let answer = self.client().query_typed(SETTLE, &parameters).await;
        self.round_trip = start.elapsed();
        match answer {
            Ok(rows) => {
                self.is_direct = rows.first().is_some_and(|row| row.try_get(0).ok() == Some(true))
            }
            // Then there was a server. Whoever asks will notice.
            Err(error) if is_lost(&error, self.client()) => return,
            // A server that knows no such setting is treated like one behind a pooler.
            Err(_) => {}
        }
        if !self.is_direct {
            self.server.found_pooler();
        }
    }

    fn client(&self) -> &ClientWrapper {
        self.client.as_ref().expect("a link has its client until it is dropped")
    }

    /// Whether the server ends what takes longer than anybody waits.
    pub(super) fn ends_queries(&self) -> bool {
        self.is_direct
    }

    /// How long the way there and back took when it was made.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client().is_closed()
    }

    /// The rows that answer a question, and prove it.
    ///
    /// What a prepared statement does not answer is asked again without one: it may have been lost,
    /// out of date, or somebody else's. If it is any of these, nothing of the question was done.
    pub(super) async fn ask(&self, question: &Question) -> Result<Vec<Row>, Failure> {
        let Question { query, parameters } = question;
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|parameter| &**parameter as _).collect();
        if self.is_direct && self.server.prepares() {
            match self.ask_prepared(query, &parameters).await {
                Ok(rows) if query.is_answered_by(&rows) => return Ok(rows),
                Ok(_) => self.statement_lost(query),
                Err(error) if is_lost(&error, self.client()) => {
                    return Err(Failure::Lost(Some(error)));
                }
                Err(error) => match error.code() {
                    Some(&SqlState::INVALID_SQL_STATEMENT_NAME)
                    | Some(&SqlState::DUPLICATE_PSTATEMENT)
                    | Some(&SqlState::PROTOCOL_VIOLATION)
                    | None => self.statement_lost(query),
                    // "cached plan must not change result type": the only use of this code in what
                    // is asked here.
                    Some(&SqlState::FEATURE_NOT_SUPPORTED) => self.forget(query),
                    Some(code) if may_be_anothers(code) => {}
                    Some(_) => return Err(Failure::Refused(error)),
                },
            }
        }
        match self.ask_unnamed(query, &parameters).await {
            Ok(rows) if query.is_answered_by(&rows) => Ok(rows),
            Ok(_) => Err(Failure::Lost(None)),
            Err(error) if error.code().is_none() || is_lost(&error, self.client()) => {
                Err(Failure::Lost(Some(error)))
            }
            Err(error) => Err(Failure::Refused(error)),
        }
    }

    async fn ask_prepared(
        &self,
        query: &Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let known = self.statements().get(&query.proof).cloned();
        let statement = match known {
            Some((statement, since)) if since.elapsed() < GREATEST_AGE => statement,
            _ => {
                let statement = self.client().prepare_typed(&query.sql, &query.types).await?;
                self.statements().insert(query.proof, (statement.clone(), Instant::now()));
                statement
            }
        };
        self.client().query(&statement, parameters).await
    }

    /// Parsed, planned and executed in one go: there is no statement that could be lost or out of
    /// date.
    async fn ask_unnamed(
        &self,
        query: &Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let typed: Vec<_> = parameters.iter().copied().zip(query.types.iter().cloned()).collect();
        self.client().query_typed(&query.sql, &typed).await
    }

    fn statement_lost(&self, query: &Query) {
        self.forget(query);
        self.server.statement_lost();
    }

    /// Has the statement of this query prepared anew next time.
    fn forget(&self, query: &Query) {
        self.statements().remove(&query.proof);
    }

    /// What a panic elsewhere left behind is still whole.
    fn statements(&self) -> MutexGuard<'_, HashMap<i64, (Statement, Instant)>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(mut client) = self.client.take() {
            // The manager keeps a list of what it made.
            self.server.pool.manager().detach(&mut client);
        }
    }
}

/// Whether an error may stem from another's statement that ran under the name of ours: of the
/// values, or of tables and rights.
fn may_be_anothers(code: &SqlState) -> bool {
    ["22", "23", "42"].iter().any(|class| code.code().starts_with(class))
}

/// Whether the connection is gone.
fn is_lost(error: &Error, client: &ClientWrapper) -> bool {
    match error.as_db_error() {
        Some(error) => is_end_of_connection(error),
        // It is not the server that speaks.
        None => {
            error.is_closed()
                || client.is_closed()
                || std::error::Error::source(error)
                    .is_some_and(|source| source.is::<std::io::Error>())
        }
    }
}

/// Whether the server, or a pooler, says that this is the end of the connection.
fn is_end_of_connection(error: &DbError) -> bool {
    match error.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        // PgBouncer leaves out the field that is not translated.
        None => error.severity() == "FATAL",
    }
}
