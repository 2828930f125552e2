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
    /// The one of the current runtime; `None` outside of any. Those of runtimes that have ended are
    /// forgotten when a new one comes.
    pub(crate) fn current(
        &self,
        make: impl FnOnce() -> T,
        is_over: impl Fn(&T) -> bool,
    ) -> Option<Arc<T>> {
        let runtime = Handle::try_current().ok()?.id();
        // What a panic elsewhere left behind is still whole.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_this) = all.get(&runtime) {
            return Some(Arc::clone(of_this));
        }
        all.retain(|_, other| !is_over(other));
        Some(Arc::clone(all.entry(runtime).or_insert_with(|| Arc::new(make()))))
    }
}
