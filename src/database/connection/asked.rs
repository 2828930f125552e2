//! One visitor's question.

use tokio::{sync::oneshot, time::Instant};

use super::lookup::{Lookup, Outcome};

/// One visitor's question.
pub(super) struct Asked<L: Lookup> {
    pub(super) key: L::Key,
    pub(super) deadline: Instant,
    pub(super) tries: usize,
    /// The last batch that had gone out when this came in: only what went out later answers it.
    pub(super) after: u64,
    pub(super) answer: oneshot::Sender<Outcome<L::Answer>>,
}
