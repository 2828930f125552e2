//! One kind of question, on one runtime: who asks waits for the answer, and a task asks.
//!
//! While a query is under way, questions gather; the next query carries all of them. Whoever waits
//! only waits: a visitor's future that is paused, dropped or leaked stops nobody.

use std::{future::poll_fn, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Lookup, Server, asked::Asked, attendant::Attendant, lookup::Outcome};
use crate::error::Unavailable;

/// Where to ask. The task ends with this.
pub(crate) struct Lane<L: Lookup> {
    questions: mpsc::UnboundedSender<Asked<L>>,
}

impl<L: Lookup> Lane<L> {
    /// Opens a lane on the current runtime; it connects when it is asked something.
    pub(crate) fn open(lookup: Arc<L>, server: Arc<Server>) -> Self {
        let (questions, receiver) = mpsc::unbounded_channel();
        let mut attendant = Attendant::new(lookup, server, receiver);
        drop(tokio::spawn(async move { poll_fn(|cx| attendant.go_on(cx)).await }));
        Self { questions }
    }

    /// Whether its runtime has ended, or its task has panicked.
    pub(crate) fn is_over(&self) -> bool {
        self.questions.is_closed()
    }

    /// The answer for a key, which comes by the deadline or is a failure.
    pub(crate) async fn ask(&self, key: L::Key, deadline: Instant) -> Outcome<L::Answer> {
        let (answer, answered) = oneshot::channel();
        // If it is over, nobody answers.
        drop(self.questions.send(Asked { key, deadline, tries: 0, after: 0, answer }));
        answered.await.unwrap_or_else(|_| Err(Unavailable::NoRuntime.into()))
    }
}
