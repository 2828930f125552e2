//! What the task of a lane does when time passes: those who wait too long hear so, silent connections
//! are given up on, idle ones are closed.

use std::{sync::Arc, task::Context};

use tokio::time::Instant;

use super::{
    Lookup,
    attendant::{Attendant, IDLE},
    held::{Attempt, Held},
};
use crate::error::Unavailable;

/// How many connections may be in the making at the same time. The next one starts when the last has
/// been silent for a share of the timeout.
const ATTEMPTS: usize = 3;

impl<L: Lookup> Attendant<L> {
    /// Looks after the clock: often while something is under way, else seldom. One timer serves all
    /// who wait, and is not set anew for each.
    pub(super) fn keep_time(&mut self, cx: &mut Context<'_>) {
        let busy = self.is_busy();
        let tick = self.server.share() / 8;
        if busy && self.next_check > Instant::now() + tick {
            self.set_timer(Instant::now() + tick);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            // If the thread was blocked, answers may lie there that nobody could read.
            if now < self.next_check + 4 * tick {
                self.check(now);
            }
            let next =
                if self.is_busy() || std::mem::take(&mut self.was_busy) { tick } else { IDLE };
            self.set_timer(now + next);
        }
    }

    fn set_timer(&mut self, at: Instant) {
        self.next_check = at;
        self.timer.as_mut().reset(at);
    }

    fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
            || !self.attempts.is_empty()
            || self.links.iter().any(|held| !held.under_way.is_empty())
    }

    fn check(&mut self, now: Instant) {
        self.give_up_on_late(now);
        self.find_silent(now);
        self.drop_useless(now);
        let newest = self.attempts.iter().map(|attempt| attempt.since).max();
        let stuck = newest.is_some_and(|newest| newest + self.server.share() <= now);
        if !stuck {
            return;
        }
        if !self.waiting.is_empty() {
            if self.attempts.len() >= ATTEMPTS {
                self.attempts.remove(0);
            }
            self.attempts.push(Attempt::new(&self.server));
        } else if newest.is_some_and(|newest| newest + IDLE <= now) {
            self.attempts.clear();
        }
    }

    /// Tells those whose time is over.
    fn give_up_on_late(&mut self, now: Instant) {
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
    fn find_silent(&mut self, now: Instant) {
        for index in 0..self.links.len() {
            let held = &mut self.links[index];
            let Some(oldest) = held.under_way.values().map(|batch| batch.since).min() else {
                continue;
            };
            if held.silent_since.is_none() && now >= oldest.max(held.heard) + self.patience {
                held.silent_since = Some(now);
            }
            let elsewhere = self.links.len() < L::MANNER.connections
                || self.links.iter().any(|held| held.silent_since.is_none());
            if L::MANNER.repeats && self.links[index].silent_since.is_some() && elsewhere {
                let batches = self.links[index].under_way.values_mut();
                let again = batches.flat_map(|batch| batch.asked.drain(..));
                let again: Vec<_> = again.map(|(_, asked)| asked).collect();
                self.waiting.splice(0..0, again);
            }
        }
    }

    /// Closes what is dead and what nobody needs.
    fn drop_useless(&mut self, now: Instant) {
        // The server ends what took too long and says so. If it does not, or cannot be told to, that
        // is a lock or a dead connection: one more backend left behind should be rare.
        let timeout = self.server.timeout();
        let is_dead = |held: &Held<L>| {
            let times = if held.link.ends_queries() { 2 } else { 20 };
            held.silent_since.is_some_and(|since| now - since > timeout.saturating_mul(times))
        };
        // A second one was only needed while the first was silent or busy.
        let idle = if self.links.len() > 1 { IDLE / 6 } else { IDLE };
        let is_idle = |held: &Held<L>| held.under_way.is_empty() && now >= held.heard + idle;
        let useless: Vec<_> =
            self.links.iter().map(|held| is_dead(held) || is_idle(held)).collect();
        let mut useless = useless.into_iter();
        let dropped: Vec<_> =
            self.links.extract_if(.., |_| useless.next().is_some_and(|useless| useless)).collect();
        let error: Arc<_> = Unavailable::Timeout(timeout).into();
        self.ask_again(dropped.into_iter().flat_map(Held::into_batches), error);
    }
}
