//! What happens to visitors when something breaks: on a real PostgreSQL, a real actix server with
//! two workers and real sockets, with hundreds of requests in flight.
//!
//! Every visitor's right answer is known beforehand, so an anonymous answer to somebody who is
//! logged in, or the reverse, is noticed. Each run prints what it counted:
//! `cargo test --test faults -- --nocapture`.

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

/// How long something may take before a test gives up on it: two busy cores are slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many tests run side by side: each has a database, a service and a relay of its own.
const PLACES: u32 = 4;

static FREE: Semaphore = Semaphore::const_new(PLACES as usize);

/// For a test that a busy machine slows down and nothing else.
async fn beside_others() -> SemaphorePermit<'static> {
    FREE.acquire().await.unwrap()
}

/// For a test that measures in milliseconds, or in descriptors and memory of this process.
async fn alone() -> SemaphorePermit<'static> {
    FREE.acquire_many(PLACES).await.unwrap()
}
