//! Processes of the server that were left behind.
//!
//! What waits for a lock, or in a commit for a standby that is gone, does not notice that its client
//! has gone away. So it is ended from another connection, and counts until it is gone.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::{
    connection::{Connection, Process},
    connections::Slot,
    server::Server,
};

/// How long a process takes to end that was told to, at least.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// How long making a connection may take.
const LONGEST: Duration = Duration::from_secs(30);

/// What was given up on, with the place that each takes until it is gone.
pub(super) struct Reaper {
    server: Arc<Server>,
    left_behind: Mutex<Vec<(Process, Slot)>>,
    /// There are free places.
    freed: Box<dyn Fn() + Send + Sync>,
    is_running: AtomicBool,
}

impl Reaper {
    pub(super) fn new(server: Arc<Server>, freed: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            server,
            left_behind: Mutex::default(),
            freed: Box::new(freed),
            is_running: AtomicBool::new(false),
        })
    }

    /// Ends a process that was left behind.
    pub(super) fn terminate(self: &Arc<Self>, process: Process, slot: Slot) {
        self.left_behind().push((process, slot));
        if let Ok(runtime) = Handle::try_current() {
            self.run_on(&runtime);
        }
    }

    /// Goes on with it on this runtime, if the one that did has ended.
    pub(super) fn run_on(self: &Arc<Self>, runtime: &Handle) {
        if !self.is_empty() && !self.is_running.swap(true, Ordering::AcqRel) {
            let running = Running(Arc::downgrade(self));
            let (reaper, current) = (Arc::downgrade(self), runtime.clone());
            runtime.spawn(async move {
                running.reap().await;
                // What was condemned at the very end found this running.
                reaper.upgrade().into_iter().for_each(|reaper| reaper.run_on(&current));
            });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left_behind().is_empty()
    }

    fn processes(&self) -> Vec<Process> {
        self.left_behind().iter().map(|(process, _)| *process).collect()
    }

    fn is_gone(&self, gone: Process) {
        self.left_behind().retain(|(process, _)| *process != gone);
        (self.freed)();
    }

    fn left_behind(&self) -> MutexGuard<'_, Vec<(Process, Slot)>> {
        self.left_behind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that ends them. It does not keep the site's connections alive.
struct Running(Weak<Reaper>);

impl Running {
    async fn reap(self) {
        let mut limit = Duration::ZERO;
        while let Some(reaper) = self.0.upgrade().filter(|reaper| !reaper.is_empty()) {
            let server = Arc::clone(&reaper.server);
            drop(reaper);
            let retry_interval = server.retry_interval();
            // One that leads nowhere is given up for the next, which is given longer.
            limit = (2 * limit).clamp(retry_interval, LONGEST);
            match timeout(limit, Connection::open(server)).await {
                Ok(Ok(connection)) => self.reap_from(&connection, limit.max(retry_interval)).await,
                _ => sleep(retry_interval).await,
            }
        }
    }

    /// Until all are gone, or this connection is.
    async fn reap_from(&self, connection: &Connection, limit: Duration) {
        let mut pause = FIRST_PAUSE;
        loop {
            let processes = self.0.upgrade().map(|reaper| reaper.processes()).unwrap_or_default();
            if processes.is_empty() {
                return;
            }
            for process in processes {
                match timeout(limit, connection.terminate(process)).await {
                    Ok(Ok(true)) => {}
                    Err(_) => return,
                    Ok(Err(_)) if connection.is_closed() => return,
                    // It is not there, or not ours to end: the role is another one by now.
                    Ok(_) => self.0.upgrade().into_iter().for_each(|r| r.is_gone(process)),
                }
            }
            sleep(pause).await;
            pause = (2 * pause).min(limit);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(reaper) = self.0.upgrade() {
            reaper.is_running.store(false, Ordering::Release);
        }
    }
}
