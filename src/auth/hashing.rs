//! Hashes passwords on blocking threads, at most one per processor.

use std::{num::NonZero, sync::LazyLock, thread, time::Duration};

use tokio::{sync::Semaphore, task, time};

use crate::error::Error;

/// All sites of a process use the same processors, so they share this.
pub(crate) static HASHING: LazyLock<Hashing> =
    LazyLock::new(|| Hashing::new(thread::available_parallelism().map_or(1, NonZero::get)));

/// The permits to hash a password. Each hash takes a processor for tenths of a second, and with argon2
/// 100 MiB.
pub(crate) struct Hashing(Semaphore);

impl Hashing {
    fn new(at_once: usize) -> Self {
        Self(Semaphore::new(at_once))
    }

    /// Computes on a blocking thread.
    ///
    /// # Errors
    /// [`Error::TooManyPasswords`] if there is no permit within the limit.
    pub(crate) async fn run<T, F>(&'static self, limit: Duration, compute: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let turn = time::timeout(limit, self.0.acquire()).await;
        let turn = turn.map_err(|_| Error::TooManyPasswords(limit))?;
        let computed = task::spawn_blocking(move || {
            // The computation cannot be stopped, so it keeps its permit if the visitor disconnects.
            let _turn = turn;
            compute()
        });
        // This fails only if the runtime is shutting down.
        computed.await.map_err(|_| Error::TooManyPasswords(limit))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_wait_for_a_permit_times_out_and_a_permit_lasts_as_long_as_its_computation() {
        let hashing: &'static Hashing = Box::leak(Box::new(Hashing::new(1)));
        let (go_on, wait) = mpsc::channel::<()>();
        let limit = Duration::from_secs(60);
        let first = tokio::spawn(hashing.run(limit, move || wait.recv()));
        while hashing.0.available_permits() > 0 {
            task::yield_now().await;
        }
        // The visitor disconnects; the computation goes on.
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());

        let refused = hashing.run(Duration::ZERO, || ()).await;
        assert!(matches!(refused, Err(Error::TooManyPasswords(_))), "{refused:?}");

        let second = tokio::spawn(hashing.run(limit, || 2));
        go_on.send(()).unwrap();
        assert_eq!(second.await.unwrap().unwrap(), 2);
    }
}
