//! Faults: what visitors see when something breaks. They run on a real PostgreSQL, a real actix server
//! with two workers and real sockets, with hundreds of requests in flight.
//!
//! The right answer for each visitor is known beforehand, so an anonymous answer for a user who is logged
//! in, or the reverse, is noticed. Each run prints its counts: `cargo test --test faults -- --nocapture`.

#![allow(clippy::unwrap_used)] // a test may

mod backends;
mod bounds;
mod load;
mod scene;
mod service;

mod altered;
mod application;
mod changed_by_django;
mod clock;
mod crowd;
mod exhausted;
mod frozen;
mod hung_up;
mod killed;
mod locked;
mod misfits;
mod moved;
mod one_row;
mod paused;
mod pgbouncer;
mod refused;
mod runtimes;
mod silent;
mod statements;
mod terminated;
mod tls;
mod workers;

use std::time::Duration;

use testbed::until;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a test waits before it fails: two busy cores are slow.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How many tests run at the same time: each has a database, a service and a proxy.
const PLACES: u32 = 4;

static FREE: Semaphore = Semaphore::const_new(PLACES as usize);

/// For a test that a busy machine only slows down.
async fn beside_others() -> SemaphorePermit<'static> {
    FREE.acquire().await.unwrap()
}

/// For a test that measures the descriptors and memory of this process.
async fn alone() -> SemaphorePermit<'static> {
    FREE.acquire_many(PLACES).await.unwrap()
}
