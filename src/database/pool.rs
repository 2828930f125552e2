//! The connections of one site, as many as it may have at most.
//!
//! A connection is driven by the runtime that it was made on, and used there alone: a runtime that
//! sleeps, or whose thread is blocked, keeps only its own visitors waiting. Where there are fewer
//! connections than runtimes, those who wait stand in one line: a connection that nobody uses is closed
//! for the first of them, whose runtime makes its own.

use std::{
    cell::RefCell,
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
use tokio_postgres::error::SqlState;

use super::{
    attempts::Attempts,
    connection::Connection,
    kind::Kind,
    latency::Latency,
    line::{Line, Look, Waiting},
    reaper::Reaper,
    server::Server,
};
use crate::{crypto::random_bytes, error::Unavailable};

/// How long a connection is kept that nobody uses, the last one of its runtime and the others.
pub(super) const IDLE: Duration = Duration::from_secs(60);
const SECOND_IDLE: Duration = Duration::from_secs(10);

/// How many idle connections a runtime keeps: as many as it usually needs at a time.
const MOST_IDLE: usize = 4;

/// The greatest age of a connection, less a part by chance: what was changed since it was made, such
/// as the settings of its role, is noticed some time, and not by all at once.
const GREATEST_AGE: Duration = Duration::from_secs(30 * 60);

/// How long a connection stays with those who wait on its own runtime, though others have waited longer:
/// making one takes a part of that.
const TENURE: Duration = Duration::from_millis(50);

/// The connections of a site. Clones share them.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    /// Without the one that ends what others left behind.
    connections: usize,
    latencies: [Latency; Kind::ALL.len()],
    reaper: Arc<Reaper<Place>>,
    state: Mutex<State>,
}

type Granted = Result<Lease, Arc<Unavailable>>;

struct State {
    /// How many more connections there may be.
    free: usize,
    /// The last one is used first.
    idle: Vec<Idle>,
    line: Line<Granted>,
    held: HashMap<(Id, Kind), usize>,
    held_by_kind: [usize; Kind::ALL.len()],
    attempts: Attempts,
    /// Connections made before that are not used again.
    retired: Option<Instant>,
    /// Runtimes that look after their idle connections.
    swept: HashSet<Id>,
    /// When something last answered, on each of these.
    heard: HashMap<Id, Instant>,
}

struct Idle {
    pooled: Pooled,
    heard: Instant,
}

/// A connection and its place.
pub(super) struct Pooled {
    pub(super) connection: Connection,
    runtime: Id,
    ends: Instant,
    /// Dropped after the connection: until then it counts.
    place: Place,
}

/// One of the connections that a site may have, whether it is open, in the making or given up on.
struct Place(Weak<Shared>);

impl Pool {
    /// `connections` is what the settings say, everything included.
    pub(crate) fn new(server: Arc<Server>, connections: usize) -> Self {
        let connections = connections.saturating_sub(1).max(1);
        let attempts = Attempts::new(server.timeout(), server.share());
        let state = State {
            free: connections,
            idle: Vec::new(),
            line: Line::default(),
            held: HashMap::new(),
            held_by_kind: [0; Kind::ALL.len()],
            attempts,
            retired: None,
            swept: HashSet::new(),
            heard: HashMap::new(),
        };
        Self(Arc::new(Shared {
            reaper: Reaper::new(Arc::clone(&server)),
            server,
            connections,
            latencies: Default::default(),
            state: state.into(),
        }))
    }

    pub(super) fn server(&self) -> &Server {
        &self.0.server
    }

    pub(super) fn latency(&self, kind: Kind) -> &Latency {
        &self.0.latencies[kind as usize]
    }

    /// How long a connection may be silent before the same is asked on another one.
    pub(super) fn patience(&self, kind: Kind) -> Duration {
        self.latency(kind).patience(self.0.server.share(), self.0.server.timeout())
    }

    /// A connection for one query: one that nobody uses, or the next that is made or becomes free.
    ///
    /// `heard_since`: it has to have answered, or been made, since then.
    pub(super) async fn get(
        &self,
        kind: Kind,
        heard_since: Option<Instant>,
    ) -> Result<Lease, Arc<Unavailable>> {
        let runtime = Handle::try_current().map_err(|_| Unavailable::NoRuntime)?;
        if let Some(mut lease) = self.0.take_now(runtime.id(), kind, heard_since) {
            lease.is_taken = true;
            return Ok(lease);
        }
        let id = runtime.id();
        let (grant, mut granted) = oneshot::channel();
        self.0.state().line.push(kind, Waiting { runtime, heard_since, grant });
        loop {
            self.0.serve();
            let next_look = self.0.state().attempts.next_look(id, Instant::now());
            tokio::select! {
                biased;
                lease = &mut granted => {
                    let mut lease = lease.map_err(|_| Unavailable::NoRuntime)??;
                    lease.is_taken = true;
                    return Ok(lease);
                }
                () = sleep_until(next_look) => {}
            }
        }
    }

    /// Why those who waited have no answer.
    pub(super) fn why_late(&self) -> Arc<Unavailable> {
        let timeout = self.0.server.timeout();
        let state = self.0.state();
        let runtime = Handle::try_current().map(|runtime| runtime.id()).ok();
        if runtime.is_some_and(|runtime| state.has_any(runtime)) {
            return Unavailable::Timeout(timeout).into();
        }
        match state.attempts.error() {
            Some(error) => Arc::clone(error),
            None if state.is_in_use() => Unavailable::Timeout(timeout).into(),
            None => Unavailable::NoConnection(timeout).into(),
        }
    }

    /// Whether a connection of this runtime has answered since then.
    pub(super) fn has_heard_since(&self, since: Instant) -> bool {
        let Ok(runtime) = Handle::try_current() else { return false };
        let state = self.0.state();
        state.heard.get(&runtime.id()).is_some_and(|heard| *heard > since)
    }

    /// Has nobody use the connections again that were made until now.
    pub(super) fn retire_all(&self) {
        let now = Instant::now();
        let leftovers: Vec<_> = {
            let mut state = self.0.state();
            state.retired = Some(now);
            state.idle.extract_if(.., |idle| idle.pooled.connection.made() <= now).collect()
        };
        drop(leftovers);
    }

    /// Closes what has been silent since then on this runtime: another connection, made or heard since,
    /// has answered.
    pub(super) fn close_silent(&self, since: Instant) {
        self.close(|idle| idle.is_silent_since(since));
    }

    /// Closes what nobody uses on this runtime.
    pub(super) fn close_idle(&self) {
        self.close(|_| true);
    }

    fn close(&self, which: impl Fn(&Idle) -> bool) {
        let Ok(runtime) = Handle::try_current() else { return };
        let is_one = |idle: &mut Idle| idle.pooled.runtime == runtime.id() && which(idle);
        let closed: Vec<_> = self.0.state().idle.extract_if(.., is_one).collect();
        drop(closed);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(self: &Arc<Self>, pooled: Pooled, kind: Kind) -> Lease {
        Lease { pooled: Some(pooled), kind, pool: Arc::downgrade(self), is_taken: false }
    }

    /// What can be had without waiting.
    fn take_now(
        self: &Arc<Self>,
        runtime: Id,
        kind: Kind,
        heard_since: Option<Instant>,
    ) -> Option<Lease> {
        let mut closed = Vec::new();
        let pooled = {
            let mut state = self.state();
            if state.is_limited(runtime, kind, heard_since, self.connections) {
                return None;
            }
            let pooled = state.take_idle(runtime, heard_since, &mut closed)?;
            state.hold(runtime, kind);
            pooled
        };
        drop(closed);
        Some(self.lease(pooled, kind))
    }

    /// Gives those who wait what there is, and makes what is missing.
    pub(super) fn serve(self: &Arc<Self>) {
        let now = Instant::now();
        // Whatever is dropped while the state is locked would lock it again.
        let (mut leftovers, mut unwanted, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        let mut needed: HashMap<Id, usize> = HashMap::new();
        let mut state = self.state();
        if state.line.is_empty() {
            return;
        }
        let mut line = std::mem::take(&mut state.line);
        let found = RefCell::new(None);
        let look = |kind: Kind, waiting: &Waiting<Granted>| {
            let runtime = waiting.runtime.id();
            if state.is_limited(runtime, kind, waiting.heard_since, self.connections) {
                return Look::Wait;
            }
            self.reaper.run_on(&waiting.runtime);
            if let Some(pooled) = state.take_idle(runtime, waiting.heard_since, &mut leftovers) {
                state.hold(runtime, kind);
                found.replace(Some(pooled));
                return Look::Take;
            }
            let needed = needed.entry(runtime).or_default();
            *needed += 1;
            if state.attempts.may_begin(runtime, *needed, now)
                && let Some(place) =
                    state.place(self, waiting.heard_since, runtime, now, &mut leftovers)
            {
                let number = state.attempts.begin(runtime, now);
                missing.push((waiting.runtime.clone(), place, number));
            }
            Look::Wait
        };
        let take = |kind, waiting: Waiting<Granted>| {
            let Some(pooled) = found.take() else { return };
            unwanted.extend(waiting.grant.send(Ok(self.lease(pooled, kind))).err());
        };
        line.serve(self.connections, look, take);
        state.line = line;
        drop(state);
        drop(leftovers);
        for lease in unwanted.into_iter().flatten() {
            lease.release();
        }
        for (runtime, place, number) in missing {
            self.connect(&runtime, place, number);
        }
    }

    /// Makes a connection, for whomever it will be.
    fn connect(self: &Arc<Self>, runtime: &Handle, place: Place, number: u64) {
        let server = Arc::clone(&self.server);
        let attempt =
            Attempt { pool: Arc::downgrade(self), number, runtime: runtime.id(), has_ended: false };
        let check = self.server.timeout();
        runtime.spawn(async move {
            let mut opened = pin!(Connection::open(server));
            loop {
                match timeout(check, &mut opened).await {
                    Ok(opened) => return attempt.end(opened, place),
                    Err(_) if attempt.is_over() => return attempt.give_up(),
                    Err(_) => {}
                }
            }
        });
    }

    /// Takes a connection back that is idle again.
    pub(super) fn release(self: &Arc<Self>, pooled: Pooled, kind: Kind) {
        let now = Instant::now();
        let runtime = pooled.runtime;
        let mut closed = None;
        {
            let mut state = self.state();
            state.let_go(runtime, kind);
            state.heard.insert(runtime, now);
            if state.may_stay(&pooled, now) {
                state.idle.push(Idle { pooled, heard: now });
                if state.is_settled(runtime) {
                    return;
                }
            } else {
                closed = Some(pooled);
            }
        }
        drop(closed);
        self.settle(runtime);
    }

    /// After there is one more idle connection: for those who wait, or to be kept for a while.
    fn settle(self: &Arc<Self>, runtime: Id) {
        self.serve();
        let (surplus, is_swept) = {
            let mut state = self.state();
            (state.surplus(runtime), !state.swept.insert(runtime))
        };
        drop(surplus);
        if !is_swept && let Ok(current) = Handle::try_current() {
            current.spawn(sweep(Arc::downgrade(self), runtime));
        }
    }

    /// Gives up on a connection that has not answered.
    pub(super) fn abandon(self: &Arc<Self>, pooled: Pooled, kind: Kind) {
        let Pooled { connection, runtime, place, .. } = pooled;
        let process = connection.process().filter(|_| !connection.is_closed());
        drop(connection);
        self.state().let_go(runtime, kind);
        match process {
            Some(process) => self.reaper.condemn(process, place),
            None => drop(place),
        }
        self.serve();
    }

    /// Tells those who wait on a runtime that they wait in vain.
    fn fail(&self, runtime: Id, error: &Arc<Unavailable>) {
        let failed = self.state().line.remove_all(runtime);
        for waiting in failed {
            drop(waiting.grant.send(Err(Arc::clone(error))));
        }
    }
}

impl State {
    fn is_limited(
        &self,
        runtime: Id,
        kind: Kind,
        heard_since: Option<Instant>,
        connections: usize,
    ) -> bool {
        // Where all of a kind are silent, each may be followed by another one.
        let times = 1 + usize::from(heard_since.is_some());
        let held = self.held.get(&(runtime, kind)).copied().unwrap_or_default();
        held >= kind.most_of_runtime().saturating_mul(times)
            || self.held_by_kind[kind as usize] >= times * kind.most(connections)
    }

    fn hold(&mut self, runtime: Id, kind: Kind) {
        *self.held.entry((runtime, kind)).or_default() += 1;
        self.held_by_kind[kind as usize] += 1;
    }

    fn let_go(&mut self, runtime: Id, kind: Kind) {
        self.held_by_kind[kind as usize] -= 1;
        if let Some(held) = self.held.get_mut(&(runtime, kind)) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&(runtime, kind));
            }
        }
    }

    /// Whether there is a connection on this runtime.
    fn has_any(&self, runtime: Id) -> bool {
        self.idle.iter().any(|idle| idle.pooled.runtime == runtime)
            || self.held.keys().any(|(of, _)| *of == runtime)
    }

    fn is_in_use(&self) -> bool {
        !self.idle.is_empty() || !self.held.is_empty()
    }

    /// Whether there is nothing to do about idle connections.
    fn is_settled(&self, runtime: Id) -> bool {
        self.line.is_empty() && self.idle.len() <= MOST_IDLE && self.swept.contains(&runtime)
    }

    /// Takes out an idle connection of a runtime that has too many, the one that is idle for longest.
    fn surplus(&mut self, runtime: Id) -> Option<Idle> {
        let of_runtime = |idle: &Idle| idle.pooled.runtime == runtime;
        if self.idle.len() <= MOST_IDLE {
            return None;
        }
        let count = self.idle.iter().filter(|idle| of_runtime(idle)).count();
        let oldest = self.idle.iter().position(of_runtime).filter(|_| count > MOST_IDLE);
        oldest.map(|oldest| self.idle.remove(oldest))
    }

    fn may_stay(&self, pooled: &Pooled, now: Instant) -> bool {
        let made = pooled.connection.made();
        !pooled.connection.is_closed()
            && now < pooled.ends
            && self.retired.is_none_or(|retired| made > retired)
    }

    /// The idle connection of this runtime that answered last.
    fn take_idle(
        &mut self,
        runtime: Id,
        heard_since: Option<Instant>,
        closed: &mut Vec<Pooled>,
    ) -> Option<Pooled> {
        let now = Instant::now();
        loop {
            let index = self.idle.iter().rposition(|idle| {
                idle.pooled.runtime == runtime
                    && heard_since.is_none_or(|since| !idle.is_silent_since(since))
            })?;
            let pooled = self.idle.remove(index).pooled;
            // The server may have closed it while nobody asked.
            if self.may_stay(&pooled, now) {
                return Some(pooled);
            }
            closed.push(pooled);
        }
    }

    /// A place for a connection of this runtime: a free one, or that of a connection that nobody uses.
    fn place(
        &mut self,
        shared: &Arc<Shared>,
        heard_since: Option<Instant>,
        runtime: Id,
        now: Instant,
        leftovers: &mut Vec<Pooled>,
    ) -> Option<Place> {
        // What was closed by the server, or with its runtime, takes no place.
        leftovers.extend(
            self.idle
                .extract_if(.., |idle| idle.pooled.connection.is_closed())
                .map(|idle| idle.pooled),
        );
        // One that may be dead gives way to one that is asked in its place.
        let is_silent = |idle: &Idle| {
            idle.pooled.runtime == runtime
                && heard_since.is_some_and(|since| idle.is_silent_since(since))
        };
        if let Some(index) = self.idle.iter().position(is_silent) {
            return Some(self.idle.remove(index).pooled.close());
        }
        let is_full = shared.connections - self.free >= self.attempts.most(now);
        if !is_full && let Some(place) = self.free_place(shared) {
            return Some(place);
        }
        let is_to_spare = |idle: &Idle| now >= idle.pooled.connection.made() + TENURE;
        let index = self.idle.iter().position(is_to_spare)?;
        Some(self.idle.remove(index).pooled.close())
    }

    fn free_place(&mut self, shared: &Arc<Shared>) -> Option<Place> {
        self.free = self.free.checked_sub(1)?;
        Some(Place(Arc::downgrade(shared)))
    }
}

impl Pooled {
    /// The runtime that drives it closes it.
    fn close(self) -> Place {
        self.place
    }
}

impl Idle {
    fn is_silent_since(&self, since: Instant) -> bool {
        self.heard <= since && self.pooled.connection.made() <= since
    }
}

/// A connection that is in use. If it is dropped and not released, it was given up on: then it is
/// closed, and its process of the server is ended.
pub(super) struct Lease {
    pooled: Option<Pooled>,
    kind: Kind,
    pool: Weak<Shared>,
    /// Whether somebody has it who may have asked something.
    is_taken: bool,
}

impl Lease {
    /// It has answered, or has nothing to answer, and others may use it.
    pub(super) fn release(mut self) {
        if let (Some(pooled), Some(pool)) = (self.pooled.take(), self.pool.upgrade()) {
            pool.release(pooled, self.kind);
        }
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.pooled.as_ref().expect("a lease has its connection until it is dropped").connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(pooled), Some(pool)) = (self.pooled.take(), self.pool.upgrade()) {
            match self.is_taken {
                true => pool.abandon(pooled, self.kind),
                false => pool.release(pooled, self.kind),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(pool) = self.0.upgrade() else { return };
        pool.state().free += 1;
        pool.serve();
    }
}

/// A connection in the making.
struct Attempt {
    pool: Weak<Shared>,
    number: u64,
    runtime: Id,
    has_ended: bool,
}

impl Attempt {
    fn is_over(&self) -> bool {
        self.pool.upgrade().is_none_or(|pool| {
            let state = pool.state();
            state.attempts.is_over(self.number, Instant::now())
        })
    }

    fn give_up(mut self) {
        self.has_ended = true;
    }

    fn end(mut self, opened: Result<Connection, tokio_postgres::Error>, place: Place) {
        self.has_ended = true;
        let Some(pool) = self.pool.upgrade() else { return };
        let now = Instant::now();
        match opened {
            Ok(connection) if !connection.is_closed() => {
                let ends = now + GREATEST_AGE.mul_f32(1.0 - chance() / 5.0);
                let pooled = Pooled { connection, runtime: self.runtime, ends, place };
                for latency in &pool.latencies {
                    latency.answered(pooled.connection.round_trip());
                }
                {
                    let mut state = pool.state();
                    state.attempts.succeeded(self.number, now);
                    state.attempts.end(self.number);
                    state.idle.push(Idle { pooled, heard: now });
                }
                pool.settle(self.runtime);
            }
            // It was closed as soon as it was made: nothing but that is known.
            Ok(_) => {
                let error = Unavailable::NoConnection(pool.server.timeout()).into();
                let mut state = pool.state();
                state.attempts.failed(now, error, None);
                state.attempts.end(self.number);
            }
            Err(error) => {
                let code = error.code().cloned();
                let is_full = code == Some(SqlState::TOO_MANY_CONNECTIONS);
                let comes_again = is_full || code.as_ref().is_some_and(comes_again);
                let error = Arc::new(Unavailable::Connection(error.into()));
                let is_in_vain = {
                    let mut state = pool.state();
                    let open = pool.connections - state.free - state.attempts.count();
                    let full = is_full.then_some(open);
                    state.attempts.failed(now, Arc::clone(&error), full);
                    state.attempts.end(self.number);
                    let others =
                        state.has_any(self.runtime) || state.attempts.has_any(self.runtime);
                    !comes_again && !others
                };
                if is_in_vain {
                    pool.fail(self.runtime, &error);
                }
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        pool.state().attempts.end(self.number);
        // The application's own connector has panicked, or the runtime is shutting down.
        if !self.has_ended {
            pool.fail(self.runtime, &Unavailable::NoRuntime.into());
        }
    }
}

/// Whether the server says that it will take connections soon.
fn comes_again(code: &SqlState) -> bool {
    matches!(
        *code,
        SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN
    )
}

/// From 0 to 1.
fn chance() -> f32 {
    f32::from(u8::from_be_bytes(random_bytes())) / 255.0
}

/// Closes the idle connections of a runtime, until it has none.
async fn sweep(pool: Weak<Shared>, runtime: Id) {
    loop {
        sleep(SECOND_IDLE / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = Instant::now();
        let mut state = pool.state();
        let of_runtime = |idle: &Idle| idle.pooled.runtime == runtime;
        let mut left = state.idle.iter().filter(|idle| of_runtime(idle)).count();
        let is_useless = |idle: &mut Idle| {
            let kept = if left > 1 { SECOND_IDLE } else { IDLE };
            let is_useless = of_runtime(idle)
                && (now >= idle.heard + kept
                    || now >= idle.pooled.ends
                    || idle.pooled.connection.is_closed());
            left -= usize::from(is_useless);
            is_useless
        };
        let closed: Vec<_> = state.idle.extract_if(.., is_useless).collect();
        if left == 0 {
            state.swept.remove(&runtime);
            state.heard.remove(&runtime);
        }
        drop(state);
        drop(closed);
        if left == 0 {
            return;
        }
    }
}
