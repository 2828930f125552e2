//! One visitor's question.

use tokio::{sync::oneshot, time::Instant};

use super::lookup::{Lookup, Outcome};

/// One visitor's question.
pub(super) struct Asked<L: Lookup> {
    pub(super) key: L::Key,
    pub(super) deadline: Instant,
    pub(super) tries: usize,
    pub(super) answer: oneshot::Sender<Outcome<L::Answer>>,
}
