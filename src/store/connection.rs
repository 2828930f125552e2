//! How a lookup gets a connection: all concurrent lookups of a worker share one, pipelined.
//!
//! tokio-postgres pipelines the queries of everybody who holds a `&Client`, so one connection
//! serves any number of concurrent lookups and costs fewer wake-ups than one connection each. A
//! [`Connection`] takes a client out of the pool when a lookup needs one, shares it among all
//! lookups that are under way (a [`Lease`]), and gives it back when the last one ends. Nothing here
//! opens a transaction, so lookups cannot disturb each other.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use deadpool_postgres::{Client, Object, Pool};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::{
    Row,
    error::SqlState,
    types::{ToSql, Type},
};

use crate::{error::Unavailable, settings::DjangoSettings};

/// A query and the types of its parameters.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) types: Vec<Type>,
}

/// One worker's way to the database. Clones share the lease.
#[derive(Clone)]
pub(crate) struct Connection {
    database: Arc<Database>,
    shared: Arc<Shared>,
}

struct Database {
    pool: Pool,
    timeout: Duration,
    prepared: bool,
    /// What the gates of each worker share, by the worker's thread.
    workers: Mutex<HashMap<ThreadId, Weak<Shared>>>,
}

#[derive(Default)]
struct Shared {
    /// The lease that lookups under way hold. Weak: it ends with the last of them.
    lease: Mutex<Weak<Lease>>,
    /// Held while a connection is taken out of the pool, so that lookups that arrive together
    /// take one and not many. If the holder is dropped, the next in the queue goes on.
    checkout: tokio::sync::Mutex<()>,
}

impl Connection {
    pub(crate) fn new(pool: Pool, settings: &DjangoSettings) -> Self {
        let database = Database {
            pool,
            timeout: settings.lookup_timeout,
            prepared: settings.prepared_statements,
            workers: Mutex::default(),
        };
        Self { database: Arc::new(database), shared: Arc::default() }
    }

    /// The connection that everything on this thread shares: a connection that is driven by the
    /// worker's own runtime spares a wake-up across threads for each query.
    pub(crate) fn of_this_worker(&self) -> Self {
        let mut workers = lock(&self.database.workers);
        workers.retain(|_, shared| shared.strong_count() > 0);
        let this = thread::current().id();
        let shared = workers.get(&this).and_then(Weak::upgrade).unwrap_or_default();
        workers.insert(this, Arc::downgrade(&shared));
        Self { database: Arc::clone(&self.database), shared }
    }

    /// The rows that answer a query, within the lookup timeout.
    ///
    /// A connection that turns out to be dead is replaced and the query asked again, so a restart
    /// of the database costs no visitor an error if a fresh connection answers.
    pub(crate) async fn query(
        &self,
        query: &Query,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Unavailable> {
        let Database { pool, timeout, prepared, .. } = &*self.database;
        let deadline = Instant::now() + *timeout;
        let timed_out = |_| Unavailable::Timeout(*timeout);
        let mut retries = None;
        loop {
            let lease = match self.current_lease() {
                Some(lease) => lease,
                None => timeout_at(deadline, self.checkout()).await.map_err(timed_out)??,
            };
            let answer = timeout_at(deadline, lease.query(query, params, *prepared)).await;
            let error = match answer {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) => error,
                Err(elapsed) => {
                    lease.abandon();
                    return Err(timed_out(elapsed));
                }
            };
            // Every connection in the pool may have died at once, and each failure removes one.
            let retries = retries.get_or_insert_with(|| pool.status().max_size + 1);
            match Failure::of(&error, &lease) {
                Failure::ConnectionLost if *retries > 0 => lease.abandon(),
                Failure::StalePlan if *retries > 0 => lease.forget(query),
                Failure::StatementLost => return Err(Unavailable::PreparedStatement(error)),
                _ => return Err(Unavailable::Query(error)),
            }
            *retries -= 1;
        }
    }

    /// The lease that other lookups hold at this moment, if it is any good.
    fn current_lease(&self) -> Option<Arc<Lease>> {
        lock(&self.shared.lease).upgrade().filter(|lease| lease.is_usable())
    }

    async fn checkout(&self) -> Result<Arc<Lease>, Unavailable> {
        let _turn = self.shared.checkout.lock().await;
        if let Some(lease) = self.current_lease() {
            return Ok(lease);
        }
        let client = self.database.pool.get().await.map_err(Unavailable::Pool)?;
        let lease = Arc::new(Lease {
            client: Some(client),
            abandoned: AtomicBool::new(false),
            unanswered: AtomicUsize::new(0),
            patience: self.database.timeout,
        });
        *lock(&self.shared.lease) = Arc::downgrade(&lease);
        Ok(lease)
    }
}

/// A client out of the pool, shared by the lookups that are under way.
struct Lease {
    /// `None` only while it is dropped.
    client: Option<Client>,
    /// Set when the connection is dead or stuck: nobody takes it any more, and it does not go
    /// back to the pool.
    abandoned: AtomicBool,
    /// Queries that were sent and not answered yet.
    unanswered: AtomicUsize,
    /// How long a connection with unanswered queries may take to show that it is alive.
    patience: Duration,
}

impl Lease {
    fn client(&self) -> &Client {
        self.client.as_ref().expect("a lease has its client until it is dropped")
    }

    fn is_usable(&self) -> bool {
        !self.abandoned.load(Ordering::Relaxed) && !self.client().is_closed()
    }

    fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    async fn query(
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
    fn forget(&self, query: &Query) {
        self.client().statement_cache.remove(&query.sql, &query.types);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if *self.abandoned.get_mut() {
            discard(client);
        } else if *self.unanswered.get_mut() > 0 {
            // The visitors went away before their answers came. That is no fault of the
            // connection, but it may be stuck, and a stuck one must not go back to the pool.
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(give_back_when_alive(client, self.patience))),
                Err(_) => discard(client),
            }
        }
    }
}

async fn give_back_when_alive(client: Client, patience: Duration) {
    match timeout(patience, client.check_connection()).await {
        Ok(Ok(())) => drop(client),
        _ => discard(client),
    }
}

/// Closes a connection instead of giving it back: the pool makes room for a new one.
fn discard(client: Client) {
    drop(Object::take(client));
}

/// What a failed query says about its connection.
enum Failure {
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
    fn of(error: &tokio_postgres::Error, lease: &Lease) -> Self {
        match error.code() {
            // "cached plan must not change result type": the only use of this code in a SELECT.
            Some(&SqlState::FEATURE_NOT_SUPPORTED) => Self::StalePlan,
            Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT) => {
                Self::StatementLost
            }
            Some(
                &SqlState::ADMIN_SHUTDOWN
                | &SqlState::CRASH_SHUTDOWN
                | &SqlState::IDLE_SESSION_TIMEOUT
                | &SqlState::CONNECTION_EXCEPTION
                | &SqlState::CONNECTION_FAILURE,
            ) => Self::ConnectionLost,
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

/// What a panic elsewhere left behind in a lease or a set of counters is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
