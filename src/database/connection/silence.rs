//! What the task of a lane does when time has passed: those who wait too long hear so, silent
//! connections are given up on, idle ones are closed.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Lookup,
    attendant::{Attendant, IDLE},
    held::Held,
};
use crate::error::Unavailable;

impl<L: Lookup> Attendant<L> {
    /// Tells those whose time is over.
    pub(super) fn give_up_on_late(&mut self, now: Instant) {
        let timeout = self.server.timeout();
        let error = Arc::new(if self.links.is_empty() {
            Unavailable::NoConnection(timeout)
        } else {
            Unavailable::Timeout(timeout)
        });
        for asked in self.waiting.extract_if(.., |asked| asked.deadline <= now) {
            let error = Arc::clone(&error);
            drop(asked.answer.send(Err(error)));
        }
        for batch in self.links.iter_mut().flat_map(|held| held.under_way.values_mut()) {
            for (_, asked) in batch.asked.extract_if(.., |(_, asked)| asked.deadline <= now) {
                let error = Arc::new(Unavailable::Timeout(timeout));
                drop(asked.answer.send(Err(error)));
            }
        }
    }

    /// Has what a silent connection was asked asked again on another, if there is or may be one.
    pub(super) fn find_silent(&mut self, now: Instant) {
        let patience = self.tempo.patience();
        for held in &mut self.links {
            let Some(oldest) = held.oldest() else { continue };
            if held.silent_since.is_none() && now >= oldest.max(held.heard) + patience {
                held.silent_since = Some(now);
            }
        }
        let elsewhere = !self.all_are_silent() || self.links.len() < self.most_links();
        if !L::MANNER.repeats || !elsewhere {
            return;
        }
        let silent = self.links.iter_mut().filter(|held| held.silent_since.is_some());
        let batches = silent.flat_map(|held| held.under_way.values_mut());
        let again = batches.flat_map(|batch| batch.asked.drain(..));
        let again: Vec<_> = again.map(|(_, asked)| asked).collect();
        self.waiting.splice(0..0, again);
    }

    /// Closes what is dead and what nobody needs.
    pub(super) fn drop_useless(&mut self, now: Instant) {
        let (share, timeout) = (self.server.share(), self.server.timeout());
        let answered = self.answered;
        let is_dead = |held: &Held<L>| {
            let Some(since) = held.silent_since else { return false };
            // The server ends what took too long and says so. If it does not, or cannot be told to,
            // that is a lock or a dead connection: one more backend left behind should be rare.
            let times = if held.link.ends_queries() { 2 } else { 20 };
            // Or another one was asked after that, and has answered.
            let is_passed = L::MANNER.repeats && answered.is_some_and(|answered| answered >= since);
            now - since > timeout.saturating_mul(times) || is_passed && now - since >= share
        };
        let is_crowded = self.is_crowded();
        let mut left = self.links.len();
        let mut is_useless = |held: &mut Held<L>| {
            let is_surplus =
                is_crowded && left > L::MANNER.connections || now >= held.heard + idle(left);
            let is_useless = is_dead(held) || held.oldest().is_none() && is_surplus;
            left -= usize::from(is_useless);
            is_useless
        };
        let dropped: Vec<_> = self.links.extract_if(.., |held| is_useless(held)).collect();
        let error: Arc<_> = Unavailable::Timeout(timeout).into();
        self.ask_again(dropped.into_iter().flat_map(Held::into_batches), error);
    }

    /// Whether there are more connections than usual, and no reason any more.
    pub(super) fn is_crowded(&self) -> bool {
        self.links.len() > L::MANNER.connections
            && self.links.iter().all(|held| held.silent_since.is_none())
    }
}

/// How long a connection is kept that is not used, if there are so many.
pub(super) fn idle(links: usize) -> Duration {
    // A second one was only needed while the first was silent or busy.
    if links > 1 { IDLE / 6 } else { IDLE }
}
