//! How a lookup gets a connection: all concurrent lookups of a worker share one, pipelined.
//!
//! tokio-postgres pipelines the queries of everybody who holds a `&Client`, so one connection
//! serves any number of concurrent lookups and costs fewer wake-ups than one connection each. A
//! [`Connection`] takes a client out of the pool when a lookup needs one, shares it among all
//! lookups that are under way (a [`Lease`]), and gives it back when the last one ends. Nothing here
//! opens a transaction, so lookups cannot disturb each other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread::{self, ThreadId},
    time::Duration,
};

use deadpool_postgres::{Pool, PoolError};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tokio_postgres::{Row, error::SqlState, types::ToSql};

use super::lease::{Failure, Lease, Query};
use crate::{error::Unavailable, settings::DjangoSettings};

/// How long a worker may keep a connection while others wait for one. Under steady load its lookups
/// overlap and the lease would never end; a pool smaller than the number of workers would starve
/// the rest of them, and the application's own queries.
const FAIR_SHARE: Duration = Duration::from_millis(10);

/// As good as never, where a timeout is too long to be added to the clock.
const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 86_400);

/// One worker's way to the database. Clones share the lease.
#[derive(Clone)]
pub(crate) struct Connection {
    database: Arc<Database>,
    shared: Arc<Shared>,
    /// Whether each connection is closed after its query.
    closes: bool,
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
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The lease that lookups under way hold. Weak: it ends with the last of them.
    lease: Weak<Lease>,
    /// While one lookup takes a connection out of the pool: the others that need one, and will
    /// have the same.
    waiting: Option<Vec<oneshot::Sender<Checkout>>>,
}

/// What comes of taking a connection out of the pool, for all who waited for it. If everybody
/// tried, one after the other, those at the end of a long queue would time out and never learn why.
type Checkout = Result<Arc<Lease>, Arc<Unavailable>>;

impl Connection {
    pub(crate) fn new(pool: Pool, settings: &DjangoSettings) -> Self {
        let database = Database {
            pool,
            timeout: settings.lookup_timeout,
            prepared: settings.prepared_statements,
            workers: Mutex::default(),
        };
        Self { database: Arc::new(database), shared: Arc::default(), closes: false }
    }

    /// The connection that everything on this thread shares: a connection that is driven by the
    /// worker's own runtime spares a wake-up across threads for each query.
    pub(crate) fn of_this_worker(&self) -> Self {
        let mut workers = lock(&self.database.workers);
        workers.retain(|_, shared| shared.strong_count() > 0);
        let this = thread::current().id();
        let shared = workers.get(&this).and_then(Weak::upgrade).unwrap_or_default();
        workers.insert(this, Arc::downgrade(&shared));
        Self { database: Arc::clone(&self.database), shared, closes: false }
    }

    /// Takes connections out of the pool for good: nobody inherits one from the caller's runtime.
    pub(super) fn closing(&self) -> Self {
        Self { database: Arc::clone(&self.database), shared: Arc::default(), closes: true }
    }

    /// The rows that answer a query, within the lookup timeout.
    ///
    /// A connection that turns out to be dead is replaced and the query asked again, so a restart
    /// of the database costs no visitor an error if a fresh connection answers.
    pub(crate) async fn query(
        &self,
        query: &Query,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Arc<Unavailable>> {
        let Database { timeout, mut prepared, .. } = *self.database;
        let deadline = self.deadline();
        let mut retries = Retries::new(&self.database.pool);
        loop {
            let lease = match self.lease_by(deadline).await {
                Ok(lease) => lease,
                Err(error) if was_ended_early(&error) && retries.take() => continue,
                Err(error) => return Err(error),
            };
            let answer = timeout_at(deadline, lease.query(query, params, prepared)).await;
            let error = match answer {
                Ok(Ok(rows)) => {
                    if self.closes {
                        lease.abandon();
                    }
                    return Ok(rows);
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    lease.abandon();
                    return Err(Unavailable::Timeout(timeout).into());
                }
            };
            match Failure::of(&error, &lease) {
                Failure::ConnectionLost => {
                    lease.abandon();
                    if !retries.take() {
                        return Err(Unavailable::Query(error).into());
                    }
                }
                Failure::StalePlan if prepared => {
                    lease.forget(query);
                    // Parsed and executed in one go, under one lock of the table: whatever others
                    // prepare or change meanwhile, this plan is not stale.
                    prepared = false;
                }
                Failure::StatementLost => {
                    return Err(Unavailable::PreparedStatement(error).into());
                }
                Failure::StalePlan | Failure::Refused => {
                    return Err(Unavailable::Query(error).into());
                }
            }
        }
    }

    /// The rows that a statement gives back that changes something, within the lookup timeout.
    ///
    /// It is sent once. If the connection is lost while it is under way, nobody can say whether it
    /// was carried out, and that is an error.
    pub(crate) async fn write(
        &self,
        query: &Query,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Arc<Unavailable>> {
        let Database { timeout, prepared, .. } = *self.database;
        let deadline = self.deadline();
        let lease = self.lease_by(deadline).await?;
        match timeout_at(deadline, lease.query(query, params, prepared)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                if matches!(Failure::of(&error, &lease), Failure::ConnectionLost) {
                    lease.abandon();
                }
                Err(Unavailable::Query(error).into())
            }
            Err(_) => {
                lease.abandon();
                Err(Unavailable::Timeout(timeout).into())
            }
        }
    }

    async fn lease_by(&self, deadline: Instant) -> Checkout {
        match self.current_lease() {
            Some(lease) => Ok(lease),
            None => timeout_at(deadline, self.checkout())
                .await
                .unwrap_or_else(|_| Err(Unavailable::NoConnection(self.database.timeout).into())),
        }
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.database.timeout).unwrap_or_else(|| now + FAR_AWAY)
    }

    /// The lease that other lookups hold at this moment, if it is any good.
    fn current_lease(&self) -> Option<Arc<Lease>> {
        let lease = lock(&self.shared.state).lease.upgrade();
        lease.filter(|lease| self.is_good(lease))
    }

    fn is_good(&self, lease: &Lease) -> bool {
        lease.is_usable() && !self.is_due(lease)
    }

    /// Whether the connection of this lease should go back to the pool as soon as those are done
    /// who have it.
    fn is_due(&self, lease: &Lease) -> bool {
        lease.age() >= FAIR_SHARE && {
            let status = self.database.pool.status();
            status.waiting > 0 && status.size >= status.max_size
        }
    }

    async fn checkout(&self) -> Checkout {
        loop {
            let outcome = match self.turn() {
                Turn::Taken(lease) => return Ok(lease),
                Turn::Wait(outcome) => outcome,
                Turn::Mine(turn) => {
                    let outcome = self.new_lease().await;
                    turn.end(&outcome);
                    return outcome;
                }
            };
            // It fails if the one whose turn it was has gone; then it is somebody else's.
            if let Ok(outcome) = outcome.await {
                return outcome;
            }
        }
    }

    /// Whose turn it is to take a connection out of the pool.
    fn turn(&self) -> Turn<'_> {
        let mut state = lock(&self.shared.state);
        let lease = state.lease.upgrade();
        if let Some(lease) = lease.filter(|lease| self.is_good(lease)) {
            return Turn::Taken(lease);
        }
        match &mut state.waiting {
            Some(waiting) => {
                let (sender, outcome) = oneshot::channel();
                waiting.push(sender);
                Turn::Wait(outcome)
            }
            None => {
                state.waiting = Some(Vec::new());
                Turn::Mine(MyTurn { shared: &self.shared, ended: false })
            }
        }
    }

    async fn new_lease(&self) -> Checkout {
        let client = self.database.pool.get().await.map_err(Unavailable::Pool)?;
        Ok(Arc::new(Lease::new(client, self.database.timeout)))
    }
}

enum Turn<'a> {
    Taken(Arc<Lease>),
    Wait(oneshot::Receiver<Checkout>),
    Mine(MyTurn<'a>),
}

/// Others wait for the holder of this. However it ends, they do not wait in vain.
struct MyTurn<'a> {
    shared: &'a Shared,
    ended: bool,
}

impl MyTurn<'_> {
    /// Shares the outcome. All who waited hold the lease from now on, and need not come for it one
    /// after the other: its time may be short.
    fn end(mut self, outcome: &Checkout) {
        let mut state = lock(&self.shared.state);
        if let Ok(lease) = outcome {
            state.lease = Arc::downgrade(lease);
        }
        let waiting = state.waiting.take();
        drop(state);
        self.ended = true;
        for sender in waiting.into_iter().flatten() {
            drop(sender.send(outcome.clone()));
        }
    }
}

impl Drop for MyTurn<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // Its visitor went away. Those who wait see that nothing comes, and one of them goes on.
            drop(lock(&self.shared.state).waiting.take());
        }
    }
}

/// How often one lookup may try another connection: every one in the pool may have died at once,
/// and each failure removes one.
struct Retries<'a> {
    pool: &'a Pool,
    left: Option<usize>,
}

impl<'a> Retries<'a> {
    fn new(pool: &'a Pool) -> Self {
        Self { pool, left: None }
    }

    /// Whether there was one left.
    fn take(&mut self) -> bool {
        // Asked only now, because this locks the pool.
        let left = self.left.get_or_insert_with(|| self.pool.status().max_size + 1);
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    }
}

/// Whether an administrator ended the connection while it was being made.
fn was_ended_early(error: &Unavailable) -> bool {
    let Unavailable::Pool(PoolError::Backend(error)) = error else { return false };
    error.code() == Some(&SqlState::ADMIN_SHUTDOWN)
}

/// What a panic elsewhere left behind in a lease or a set of counters is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
