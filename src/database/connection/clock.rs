//! When the task of a lane has to look what the time has brought.

use std::{task::Context, time::Duration};

use tokio::time::Instant;

use super::{
    Lookup,
    attendant::{Attendant, IDLE},
    held::Attempt,
    silence::idle,
};

/// How many connections may be in the making at the same time. The next one starts when the last has
/// been silent for a share of the timeout.
const ATTEMPTS: usize = 3;

/// The least that the clock goes on by.
const TICK: Duration = Duration::from_millis(1);

impl<L: Lookup> Attendant<L> {
    /// Looks after the clock when it is time; says whether it was.
    ///
    /// One timer serves all who wait. It is set to the first moment at which there may be something
    /// to do, and not put off when that turns out to be later: so it is seldom set anew.
    pub(super) fn keep_time(&mut self, cx: &mut Context<'_>) -> bool {
        let mut looked = false;
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            // If the thread was blocked, answers may lie there that nobody could read yet.
            let is_late = now > self.next_look + self.tempo.patience() / 2;
            self.was_late = is_late && !self.was_late;
            if self.was_late {
                self.set_timer(now + 10 * TICK);
                continue;
            }
            self.look(now);
            looked = true;
            self.set_timer(self.next_event(now).max(now + TICK));
        }
        looked
    }

    /// Has the clock looked at by then.
    pub(super) fn look_by(&mut self, at: Instant) {
        if at < self.next_look {
            self.set_timer(at);
        }
    }

    fn set_timer(&mut self, at: Instant) {
        self.next_look = at;
        self.timer.as_mut().reset(at);
    }

    /// When there may be something to do next, if nothing comes in between.
    fn next_event(&self, now: Instant) -> Instant {
        let share = self.server.share();
        let waiting = self.waiting.iter().map(|asked| asked.deadline);
        let under_way = self.links.iter().flat_map(|held| held.under_way.values());
        let asked = under_way.flat_map(|batch| batch.asked.iter()).map(|(_, asked)| asked.deadline);
        let links = self.links.iter().map(|held| match held.oldest() {
            _ if held.silent_since.is_some() => now + share,
            Some(oldest) => oldest.max(held.heard) + self.tempo.patience(),
            None if self.is_crowded() => now + share,
            None => held.heard + idle(self.links.len()),
        });
        let forgotten = self.newest_attempt().map(|newest| newest + IDLE);
        let attempt = if self.waiting.is_empty() { forgotten } else { self.next_try(now) };
        let events = waiting.chain(asked).chain(links).chain(attempt);
        events.min().unwrap_or(now + IDLE)
    }

    /// When a connection may be tried to be made for those who wait, if that has to be later.
    pub(super) fn next_try(&self, now: Instant) -> Option<Instant> {
        match self.newest_attempt() {
            Some(newest) => Some(newest + self.server.share()),
            None => Some(self.next_attempt).filter(|next| *next > now),
        }
    }

    fn newest_attempt(&self) -> Option<Instant> {
        self.attempts.iter().map(|attempt| attempt.since).max()
    }

    fn look(&mut self, now: Instant) {
        self.give_up_on_late(now);
        self.find_silent(now);
        self.drop_useless(now);
        let Some(newest) = self.newest_attempt() else { return };
        if self.waiting.is_empty() {
            if newest + IDLE <= now {
                self.attempts.clear();
            }
        } else if newest + self.server.share() <= now {
            if self.attempts.len() >= ATTEMPTS {
                self.attempts.remove(0);
            }
            self.attempts.push(Attempt::new(&self.server));
        }
    }
}

/// The clock stands still until there is nothing to do, and then goes on to the next timer: what is
/// measured here does not depend on the machine.
#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::database::connection::{
        Lane,
        test_server::{Mood, TestLookup, TestServer},
    };

    const TIMEOUT: Duration = Duration::from_secs(4);

    /// The first moment at which a timer can fire.
    const EXACT: Duration = TICK;

    fn lane(server: &TestServer) -> Lane<TestLookup> {
        Lane::open(TestLookup::new(), server.server(TIMEOUT))
    }

    /// How long a question took that is asked now, and whether it was answered.
    async fn ask(lane: &Lane<TestLookup>, key: i64) -> (Duration, bool) {
        let start = Instant::now();
        let answer = lane.ask(key, start + TIMEOUT).await;
        (start.elapsed(), answer.is_ok())
    }

    async fn ask_later(lane: &Lane<TestLookup>, key: i64, delay: Duration) -> (Duration, bool) {
        sleep(delay).await;
        ask(lane, key).await
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_one_timeout() {
        // While there is no connection; on one that is locked; on one that swallows what is sent.
        for (now, new) in [
            (Mood::Swallows, Mood::Swallows),
            (Mood::Locked, Mood::Locked),
            (Mood::Swallows, Mood::Locked),
        ] {
            for is_connected in [false, true] {
                let server = TestServer::new();
                let lane = lane(&server);
                if is_connected {
                    assert!(ask(&lane, 0).await.1);
                }
                server.set(now, new);
                // One every 37 ms, each with a deadline of its own.
                let visits = (0..200).map(|number| {
                    ask_later(&lane, number, Duration::from_millis(37) * number as u32)
                });
                for (took, answered) in join_all(visits).await {
                    assert!(!answered);
                    assert!(took >= TIMEOUT && took <= TIMEOUT + EXACT, "{now:?} {took:?}");
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_died_is_noticed_soon() {
        let server = TestServer::new();
        let lane = lane(&server);
        assert!(ask(&lane, 0).await.1);
        server.set(Mood::Swallows, Mood::Answers);
        let soon = Duration::from_millis(100) + EXACT;
        let visits = (0..50)
            .map(|number| ask_later(&lane, number, Duration::from_millis(4) * number as u32));
        for (number, (took, answered)) in join_all(visits).await.into_iter().enumerate() {
            assert!(answered);
            // Who came when it was known does not wait at all.
            let most = if number > 26 { Duration::ZERO } else { soon };
            assert!(took <= most, "visitor {number}: {took:?}");
        }
        assert_eq!(server.accepted(), 2);
    }

    /// A visitor may have logged out between what it says and what they ask.
    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_not_for_those_who_asked_after_it_was_sent_for() {
        // They wait for another connection by then, or are under way on one, or on another one with
        // everybody who had asked before gone.
        for (gone, late) in [(false, 160), (false, 600), (true, 600)] {
            let server = TestServer::new();
            let lane = lane(&server);
            assert!(ask(&lane, 0).await.1);
            server.set(Mood::Locked, Mood::Locked);
            let start = Instant::now();
            let patience = if gone { Duration::from_millis(150) } else { TIMEOUT };
            let before = lane.ask(1, start + patience);
            let after = async {
                sleep(Duration::from_millis(155)).await;
                server.write(1);
                lane.ask(1, start + TIMEOUT).await
            };
            let (before, after, ()) = tokio::join!(before, after, async {
                sleep(Duration::from_millis(late)).await;
                server.set_first(Mood::Answers);
            });
            assert_eq!(before.ok(), (!gone).then_some(0));
            assert_eq!(after.ok(), Some(1), "answered after {late} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_connections_may_die_at_once() {
        let server = TestServer::new();
        let lane = lane(&server);
        assert!(ask(&lane, 0).await.1);
        // A second one, since the first is silent for a while.
        server.set(Mood::Locked, Mood::Answers);
        assert!(ask(&lane, 0).await.1);
        server.set(Mood::Swallows, Mood::Answers);
        assert_eq!(server.open(), 2);
        let (took, answered) = ask(&lane, 1).await;
        assert!(answered && took < TIMEOUT / 4, "{took:?}");
        // The dead ones are closed soon, and what is left is one.
        sleep(TIMEOUT / 2).await;
        assert_eq!(server.open(), 1);
    }

    /// Nobody came while the new server did not answer yet.
    #[tokio::test(start_paused = true)]
    async fn after_a_failover_connections_are_tried_as_often_for_those_who_come_late() {
        let server = TestServer::new();
        let lane = lane(&server);
        assert!(ask(&lane, 0).await.1);
        server.set(Mood::Swallows, Mood::Swallows);
        for delay in [TIMEOUT, 4 * TIMEOUT, IDLE / 2, 2 * IDLE] {
            assert!(!ask(&lane, 0).await.1);
            sleep(delay).await;
            let (answer, ()) = tokio::join!(ask(&lane, 1), async {
                sleep(TIMEOUT / 8).await;
                server.set(Mood::Swallows, Mood::Answers);
            });
            assert!(answer.1 && answer.0 <= TIMEOUT / 8 + TIMEOUT / 4 + EXACT, "{answer:?}");
            server.set(Mood::Swallows, Mood::Swallows);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_locked_table_is_waited_for_on_few_connections() {
        let server = TestServer::new();
        let lane = lane(&server);
        assert!(ask(&lane, 0).await.1);
        server.set(Mood::Locked, Mood::Locked);
        for number in 0..20 {
            assert!(!ask(&lane, number).await.1);
        }
        // Each is given up for dead after two timeouts: PostgreSQL has ended its query by then.
        assert!(server.accepted() <= 1 + 2 + 3 * 10, "{}", server.accepted());
        server.set(Mood::Answers, Mood::Answers);
        assert!(ask(&lane, 0).await.1);
    }

    /// A slow database is no dead one: there is nothing to ask elsewhere.
    #[tokio::test(start_paused = true)]
    async fn more_connections_than_usual_do_not_stay() {
        let server = TestServer::new();
        let lane = lane(&server);
        assert!(ask(&lane, 0).await.1);
        server.set(Mood::Locked, Mood::Locked);
        let (visits, ()) =
            tokio::join!(join_all((0..20).map(|number| ask(&lane, number))), async {
                sleep(TIMEOUT / 2).await;
                assert_eq!(server.open(), 3);
                server.set(Mood::Answers, Mood::Answers);
            });
        assert!(visits.iter().all(|(_, answered)| *answered));
        sleep(TIMEOUT / 2).await;
        assert_eq!((server.open(), server.accepted()), (2, 3));
        sleep(IDLE / 5).await;
        assert_eq!(server.open(), 1);
        sleep(2 * IDLE).await;
        assert_eq!(server.open(), 0);
        advance(IDLE).await;
        assert!(ask(&lane, 0).await.1);
    }
}
