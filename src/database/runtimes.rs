//! What each runtime has of its own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::runtime::{Handle, Id};

/// One `T` for each runtime that asks. A connection is driven by the runtime that made it: one that
/// sleeps, or whose thread is blocked, keeps only its own visitors waiting.
pub(crate) struct Runtimes<T>(Mutex<HashMap<Id, Arc<T>>>);

impl<T> Default for Runtimes<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Runtimes<T> {
    /// The one of the current runtime; `None` outside of any. One that is over is replaced: of the
    /// application's own code, its connector and what keeps its log run in these tasks, and may panic. Those of runtimes that have ended are forgotten when a new one comes.
    pub(crate) fn current(
        &self,
        make: impl FnOnce() -> T,
        is_over: impl Fn(&T) -> bool,
    ) -> Option<Arc<T>> {
        let runtime = Handle::try_current().ok()?.id();
        // What a panic elsewhere left behind is still whole.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_this) = all.get(&runtime).filter(|of_this| !is_over(of_this)) {
            return Some(Arc::clone(of_this));
        }
        all.retain(|_, other| !is_over(other));
        Some(Arc::clone(all.entry(runtime).or_insert_with(|| Arc::new(make()))))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use tokio::time::Instant;

    use super::*;
    use crate::database::{
        batcher::Batcher,
        test_server::{Mood, TestServer, TestTable},
    };

    /// The application's own code that runs in it, such as what keeps its log, may panic.
    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_replaced() {
        let runtimes = Runtimes::default();
        let over = Cell::new(false);
        let current = || runtimes.current(|| (), |()| over.get()).unwrap();
        let first = current();
        assert!(Arc::ptr_eq(&first, &current()));
        over.set(true);
        assert!(!Arc::ptr_eq(&first, &current()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_panicked_is_followed_by_another_one() {
        let timeout = Duration::from_secs(4);
        let server = TestServer::new();
        server.set(Mood::Answers, Mood::Panics);
        let batcher = Batcher::start(TestTable::new(), server.pool(timeout, 8));
        let ask = async || batcher.ask(1, Instant::now() + timeout).await.is_ok();
        assert!(!ask().await);
        server.set(Mood::Swallows, Mood::Answers);
        assert!(ask().await && ask().await);
        assert_eq!(server.accepted(), 1);
    }
}
