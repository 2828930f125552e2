//! The reaper: it ends processes of the server whose connection was abandoned.
//!
//! A process that waits for a lock, or in a commit for a standby that is gone, does not notice that its
//! client has gone away. So it is ended from another connection, and counts towards the limit until it is
//! gone.

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
    connection::{Connection, Process, Slot},
    server::Server,
};

/// The first pause before asking again whether a process has ended.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// How long making a connection may take.
const LONGEST: Duration = Duration::from_secs(30);

/// The processes to be ended, each with the slot that it takes until it is gone.
pub(super) struct Reaper {
    server: Arc<Server>,
    left_behind: Mutex<Vec<(Process, Slot)>>,
    /// Called when slots have become free.
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

    /// Ends a process of the server, in the background.
    pub(super) fn terminate(self: &Arc<Self>, process: Process, slot: Slot) {
        self.left_behind().push((process, slot));
        if let Ok(runtime) = Handle::try_current() {
            self.run_on(&runtime);
        }
    }

    /// Continues on this runtime if the one that did it has ended.
    pub(super) fn run_on(self: &Arc<Self>, runtime: &Handle) {
        if !self.is_empty() && !self.is_running.swap(true, Ordering::AcqRel) {
            let running = Running(Arc::downgrade(self));
            let (reaper, current) = (Arc::downgrade(self), runtime.clone());
            runtime.spawn(async move {
                running.reap().await;
                // A process that was added at the very end found this task running.
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

/// The task that ends processes. It does not keep the site's connections alive.
struct Running(Weak<Reaper>);

impl Running {
    async fn reap(self) {
        let mut limit = Duration::ZERO;
        while let Some(reaper) = self.0.upgrade().filter(|reaper| !reaper.is_empty()) {
            let server = Arc::clone(&reaper.server);
            drop(reaper);
            let retry_interval = server.retry_interval();
            // A connection that cannot be made is given up. The next attempt is given longer.
            limit = (2 * limit).clamp(retry_interval, LONGEST);
            match timeout(limit, Connection::open(server)).await {
                Ok(Ok(connection)) => self.reap_from(&connection, limit.max(retry_interval)).await,
                _ => sleep(retry_interval).await,
            }
        }
    }

    /// Runs until all processes, or this connection, are gone.
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
                    // It is gone, or this role may not end it any more.
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
