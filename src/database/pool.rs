//! The pool: which caller may use which connection, and when a connection is made.
//!
//! A connection is driven by the runtime that made it, and only that runtime uses it. A runtime that
//! sleeps, or whose thread is blocked, therefore delays only its own requests. Where there are fewer
//! connections than runtimes, all callers wait in one queue: an idle connection is closed for the first
//! waiter, whose runtime makes its own.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    ops::Deref,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::oneshot,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    attempts::Attempts,
    connection::{Connection, Slot},
    connections::{Connections, SECOND_IDLE},
    kind::{Claim, Kind},
    reaper::Reaper,
    server::Server,
    wait_queue::{WaitQueue, Waiter},
};
use crate::error::Unavailable;

/// The connections of a site, leased to callers.
pub(crate) struct Pool {
    server: Arc<Server>,
    reaper: Arc<Reaper>,
    state: Mutex<PoolState>,
}

struct PoolState {
    connections: Connections,
    attempts: Attempts,
    queue: WaitQueue<Result<Lease, Arc<Unavailable>>>,
    /// Runtimes with a task that closes idle connections.
    swept: HashSet<Id>,
}

/// A connection that is in use. If it is dropped without a release, its query was abandoned: the
/// connection is closed, and the process of the server that serves it is ended.
pub(super) struct Lease {
    connection: Option<Connection>,
    kind: Kind,
    pool: Weak<Pool>,
    /// Whether a caller has it and may have sent something.
    is_taken: bool,
}

impl Pool {
    /// `connections` is `max_connections` of the settings. One of them is reserved for ending processes of
    /// the server that were left behind.
    pub(crate) fn new(server: Server, connections: usize) -> Arc<Self> {
        let (server, connections) = (Arc::new(server), connections.saturating_sub(1).max(1));
        Arc::new_cyclic(|pool: &Weak<Self>| {
            let pool = pool.clone();
            let freed = move || pool.upgrade().into_iter().for_each(|pool| pool.serve());
            let state = PoolState {
                connections: Connections::new(connections),
                attempts: Attempts::new(server.timeout(), server.retry_interval()),
                queue: WaitQueue::default(),
                swept: HashSet::new(),
            };
            Self { reaper: Reaper::new(Arc::clone(&server), freed), server, state: state.into() }
        })
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Leases a connection for one query: an idle one, or the next one that is made or released.
    pub(super) async fn get(
        self: &Arc<Self>,
        kind: Kind,
        claim: Claim,
    ) -> Result<Lease, Arc<Unavailable>> {
        let runtime = Handle::try_current().map_err(|_| Unavailable::NoRuntime)?;
        let id = runtime.id();
        let connection = self.state().connections.take(id, kind, claim);
        if let Some(connection) = connection {
            return Ok(self.lease(connection, kind).taken());
        }
        let (grant, mut granted) = oneshot::channel();
        self.state().queue.push(kind, Waiter { runtime, claim, grant });
        loop {
            self.serve();
            let next_look = self.state().attempts.next_look(id, Instant::now());
            tokio::select! {
                biased;
                lease = &mut granted => {
                    return Ok(lease.map_err(|_| Unavailable::NoRuntime)??.taken());
                }
                () = sleep_until(next_look) => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(self: &Arc<Self>, connection: Connection, kind: Kind) -> Lease {
        Lease { connection: Some(connection), kind, pool: Arc::downgrade(self), is_taken: false }
    }

    /// Leases idle connections to waiters, and makes those that are missing.
    fn serve(self: &Arc<Self>) {
        let now = Instant::now();
        let (mut unwanted, mut missing) = (Vec::new(), Vec::new());
        let mut state = self.state();
        let PoolState { connections, attempts, queue, .. } = &mut *state;
        if queue.is_empty() {
            return;
        }
        let most = connections.most();
        let mut needed: HashMap<Id, usize> = HashMap::new();
        let found = RefCell::new(None);
        let may_have = |kind: Kind, waiter: &Waiter<Result<Lease, _>>| {
            let (runtime, claim) = (waiter.runtime.id(), waiter.claim);
            if connections.is_at_limit(runtime, kind, claim) {
                return false;
            }
            self.reaper.run_on(&waiter.runtime);
            if let Some(connection) = connections.take(runtime, kind, claim) {
                found.replace(Some(connection));
                return true;
            }
            let needed = needed.entry(runtime).or_default();
            *needed += 1;
            if attempts.may_begin(runtime, *needed, now)
                && let Some(slot) = connections.slot(claim, runtime, attempts.most(now))
            {
                let number = attempts.begin(runtime, now);
                missing.push((waiter.runtime.clone(), slot, number));
            }
            false
        };
        let take = |kind, waiter: Waiter<Result<Lease, _>>| {
            let Some(connection) = found.take() else { return };
            unwanted.extend(waiter.grant.send(Ok(self.lease(connection, kind))).err());
        };
        queue.serve(most, may_have, take);
        drop(state);
        // Dropping a lease locks the state.
        drop(unwanted);
        for (runtime, slot, number) in missing {
            self.connect(&runtime, slot, number);
        }
    }

    /// Makes a connection, for whichever caller waits first when it is ready.
    fn connect(self: &Arc<Self>, runtime: &Handle, slot: Slot, number: u64) {
        let server = Arc::clone(&self.server);
        let making = Making {
            pool: Arc::downgrade(self),
            number,
            runtime: runtime.id(),
            slot: Some(slot),
            is_given_up: Cell::new(false),
        };
        let check = self.server.timeout();
        runtime.spawn(async move {
            let mut opened = pin!(Connection::open(server));
            loop {
                match timeout(check, &mut opened).await {
                    Ok(opened) => return making.end(opened),
                    Err(_) if making.is_over() => return making.is_given_up.set(true),
                    Err(_) => {}
                }
            }
        });
    }

    /// Takes a connection back after its query was answered.
    fn release(self: &Arc<Self>, connection: Connection, kind: Kind) {
        let runtime = connection.runtime();
        let mut state = self.state();
        state.connections.release(runtime, kind);
        state.connections.put_back(connection);
        let is_settled = state.queue.is_empty()
            && state.connections.has_no_surplus()
            && state.swept.contains(&runtime);
        drop(state);
        if !is_settled {
            self.settle(runtime);
        }
    }

    /// Leases the connection that has just become idle to a waiter, or keeps it for a while.
    fn settle(self: &Arc<Self>, runtime: Id) {
        self.serve();
        let mut state = self.state();
        state.connections.close_surplus(runtime);
        let is_swept = !state.swept.insert(runtime);
        drop(state);
        if !is_swept && let Ok(current) = Handle::try_current() {
            current.spawn(sweep(Arc::downgrade(self), runtime));
        }
    }

    /// Gives up on a connection that has not answered.
    fn abandon(self: &Arc<Self>, connection: Connection, kind: Kind) {
        let (process, runtime) = (connection.process(), connection.runtime());
        let process = process.filter(|_| !connection.is_closed());
        let slot = connection.close();
        self.state().connections.release(runtime, kind);
        if let Some((process, slot)) = process.zip(slot) {
            self.reaper.terminate(process, slot);
        }
        self.serve();
    }

    /// Fails all waiters of a runtime.
    fn fail(&self, runtime: Id, error: &Arc<Unavailable>) {
        let failed = self.state().queue.remove_all(runtime);
        for waiter in failed {
            drop(waiter.grant.send(Err(Arc::clone(error))));
        }
    }

    /// Why callers got no answer by their deadline.
    pub(super) fn why_late(&self) -> Arc<Unavailable> {
        let timeout = self.server.timeout();
        let state = self.state();
        if current().is_some_and(|runtime| state.connections.has_any(runtime)) {
            return Unavailable::Timeout(timeout).into();
        }
        match state.attempts.error() {
            Some(error) => Arc::clone(error),
            None if state.connections.are_there() => Unavailable::Timeout(timeout).into(),
            None => Unavailable::NoConnection(timeout).into(),
        }
    }

    /// Whether a connection of this runtime has answered since then.
    pub(super) fn has_answered_since(&self, since: Instant) -> bool {
        let state = self.state();
        current().is_some_and(|runtime| state.connections.has_answered_since(runtime, since))
    }

    /// Whether a hedge of this kind has to wait until another connection is given up.
    pub(super) fn is_full_for_hedges(&self, kind: Kind) -> bool {
        let state = self.state();
        current().is_some_and(|runtime| {
            let claim = Claim::Hedge(Instant::now());
            state.connections.is_at_limit(runtime, kind, claim) || state.connections.is_full()
        })
    }

    /// Retires all connections made before now: they are not used again.
    pub(super) fn retire_all(self: &Arc<Self>) {
        self.state().connections.retire_all();
        self.serve();
    }

    /// Closes the idle connections of this runtime that have been silent since this instant.
    pub(super) fn close_silent(self: &Arc<Self>, since: Instant) {
        let Some(runtime) = current() else { return };
        self.state().connections.close_silent(runtime, since);
        self.serve();
    }

    /// Closes all idle connections of this runtime.
    pub(super) fn close_idle(self: &Arc<Self>) {
        self.close_silent(Instant::now() + Duration::from_secs(1));
    }
}

impl Lease {
    fn taken(mut self) -> Self {
        self.is_taken = true;
        self
    }

    /// Returns the connection for others to use: it has answered, or was sent nothing.
    pub(super) fn release(mut self) {
        self.is_taken = false;
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a lease has its connection until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(connection), Some(pool)) = (self.connection.take(), self.pool.upgrade()) {
            match self.is_taken {
                true => pool.abandon(connection, self.kind),
                false => pool.release(connection, self.kind),
            }
        }
    }
}

/// A connection that is being made.
struct Making {
    pool: Weak<Pool>,
    number: u64,
    runtime: Id,
    slot: Option<Slot>,
    is_given_up: Cell<bool>,
}

impl Making {
    fn is_over(&self) -> bool {
        self.pool
            .upgrade()
            .is_none_or(|pool| pool.state().attempts.is_over(self.number, Instant::now()))
    }

    fn end(mut self, opened: Result<Connection, tokio_postgres::Error>) {
        self.is_given_up.set(true);
        let (Some(pool), Some(slot)) = (self.pool.upgrade(), self.slot.take()) else {
            return;
        };
        let (now, runtime) = (Instant::now(), self.runtime);
        let mut state = pool.state();
        let PoolState { connections, attempts, .. } = &mut *state;
        let error = match opened {
            Ok(connection) if !connection.is_closed() => {
                pool.server.reached(connection.round_trip());
                attempts.succeeded(self.number, now);
                connections.add(connection.in_slot(slot));
                drop(state);
                return pool.settle(runtime);
            }
            // The connection was closed as soon as it was made. The reason is unknown.
            Ok(_) => {
                let error = Unavailable::NoConnection(pool.server.timeout());
                attempts.failed(self.number, now, error, connections.count());
                return;
            }
            Err(error) => Unavailable::Connection(error.into()),
        };
        let (error, is_final) = attempts.failed(self.number, now, error, connections.count());
        let is_in_vain = is_final && !connections.has_any(runtime) && !attempts.has_any(runtime);
        drop(state);
        drop(slot);
        if is_in_vain {
            pool.fail(runtime, &error);
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        drop(self.slot.take());
        let Some(pool) = self.pool.upgrade() else { return };
        pool.state().attempts.end(self.number);
        // The application's connector has panicked, or the runtime is shutting down.
        if !self.is_given_up.get() {
            pool.fail(self.runtime, &Unavailable::NoRuntime.into());
        }
        pool.serve();
    }
}

/// Closes the idle connections of a runtime, until it has none.
async fn sweep(pool: Weak<Pool>, runtime: Id) {
    loop {
        sleep(SECOND_IDLE / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.state();
        let has_more = state.connections.sweep(runtime);
        if !has_more {
            state.swept.remove(&runtime);
        }
        drop(state);
        pool.serve();
        if !has_more {
            return;
        }
    }
}

fn current() -> Option<Id> {
    Handle::try_current().map(|runtime| runtime.id()).ok()
}
