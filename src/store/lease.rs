//! A connection that is shared for a while, and what becomes of it afterwards.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use deadpool_postgres::{Client, ClientWrapper, Object};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tokio_postgres::{
    NoTls, Row,
    error::{DbError, Severity, SqlState},
    types::{ToSql, Type},
};

/// A query and the types of its parameters.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) types: Vec<Type>,
}

/// A client out of the pool, shared by the lookups that are under way.
pub(super) struct Lease {
    /// `None` only while it is dropped.
    client: Option<Client>,
    since: Instant,
    /// Set when the connection is dead or stuck: nobody takes it any more, and it does not go
    /// back to the pool.
    abandoned: AtomicBool,
    /// Queries that were sent and not answered yet.
    unanswered: AtomicUsize,
    /// How long a connection with unanswered queries may take to show that it is alive.
    patience: Duration,
}

impl Lease {
    pub(super) fn new(client: Client, patience: Duration) -> Self {
        Self {
            client: Some(client),
            since: Instant::now(),
            abandoned: AtomicBool::new(false),
            unanswered: AtomicUsize::new(0),
            patience,
        }
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("a lease has its client until it is dropped")
    }

    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.abandoned.load(Ordering::Relaxed) && !self.client().is_closed()
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    pub(super) async fn query(
        &self,
        query: &Query,
        params: &[&(dyn ToSql + Sync)],
        prepared: bool,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        let client = self.client();
        let answer = if prepared {
            match client.prepare_typed_cached(&query.sql, &query.types).await {
                Ok(statement) => client.query(&statement, params).await,
                Err(error) => Err(error),
            }
        } else {
            let typed: Vec<_> = params.iter().copied().zip(query.types.iter().cloned()).collect();
            client.query_typed(&query.sql, &typed).await
        };
        // Not reached when this future is dropped: then the answer is still to come.
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        answer
    }

    /// Has the statement of this query prepared anew next time.
    pub(super) fn forget(&self, query: &Query) {
        self.client().statement_cache.remove(&query.sql, &query.types);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let (abandoned, unanswered) = (*self.abandoned.get_mut(), *self.unanswered.get_mut() > 0);
        if !unanswered {
            if abandoned {
                drop(Object::take(client));
            }
            return;
        }
        let suspect = Suspect { client: Some(client), patience: self.patience };
        // If the visitors went away before their answers came, that is no fault of the connection,
        // but it may be stuck, and a stuck one must not go back to the pool.
        if !abandoned && let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(suspect.give_back_when_alive()));
        }
    }
}

/// A client that goes back to the pool only if it proves to be alive. Otherwise, and also if the
/// runtime ends before that is known, its connection is closed and the pool makes room for a new
/// one.
struct Suspect {
    client: Option<Client>,
    patience: Duration,
}

impl Suspect {
    async fn give_back_when_alive(mut self) {
        if let Some(client) = &self.client
            && let Ok(Ok(())) = timeout(self.patience, client.check_connection()).await
        {
            drop(self.client.take());
        }
    }
}

impl Drop for Suspect {
    fn drop(&mut self) {
        let Some(client) = self.client.take().map(Object::take) else { return };
        if !client.is_closed()
            && let Ok(runtime) = Handle::try_current()
        {
            drop(runtime.spawn(cancel(client, self.patience)));
        }
    }
}

/// Cancels what the server still does for a connection, and closes it.
///
/// A backend that waits for a lock does not notice that its client has gone. While a migration
/// holds the table locked, one would be left behind for every timeout, until the server has no
/// connection left for anybody.
async fn cancel(client: ClientWrapper, patience: Duration) {
    // TLS belongs to the pool and cannot be had here. The server takes this request without, and
    // what it reveals is worthless once the connection is closed; if TLS is a must, it is not sent.
    drop(timeout(patience, client.cancel_token().cancel_query(NoTls)).await);
}

/// What a failed query says about its connection.
pub(super) enum Failure {
    /// The connection is gone; another one may answer.
    ConnectionLost,
    /// The table changed since the statement was prepared; preparing it again helps.
    StalePlan,
    /// The server does not know the statement that this connection prepared.
    StatementLost,
    /// The query cannot be answered.
    Refused,
}

impl Failure {
    pub(super) fn of(error: &tokio_postgres::Error, lease: &Lease) -> Self {
        if error.as_db_error().is_some_and(is_end_of_connection) {
            return Self::ConnectionLost;
        }
        match error.code() {
            // "cached plan must not change result type": the only use of this code in a SELECT.
            Some(&SqlState::FEATURE_NOT_SUPPORTED) => Self::StalePlan,
            Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT) => {
                Self::StatementLost
            }
            // Without a code it is not the server that speaks.
            None if error.is_closed() || lease.client().is_closed() => Self::ConnectionLost,
            None if std::error::Error::source(error)
                .is_some_and(|source| source.is::<std::io::Error>()) =>
            {
                Self::ConnectionLost
            }
            _ => Self::Refused,
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
