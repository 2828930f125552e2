//! How connections are shared, replaced and abandoned.
//!
//! The clock is stopped: when there is nothing to do, it jumps to the next timer. The times measured here
//! do not depend on the machine.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, advance, sleep};

use super::{
    batcher::Batcher,
    connections::IDLE,
    direct::Direct,
    kind::Kind,
    test_server::{LARGE, Mood, TestServer, TestTable},
};

const TIMEOUT: Duration = Duration::from_secs(4);

/// The first moment at which a timer can fire.
const EXACT: Duration = Duration::from_millis(1);

fn batcher(server: &TestServer) -> Batcher<TestTable> {
    Batcher::new(TestTable::new(), server.pool(TIMEOUT, 16))
}

/// Asks now. Returns how long that took, and whether it was answered.
async fn ask(batcher: &Batcher<TestTable>, key: i64) -> (Duration, bool) {
    let start = Instant::now();
    let answer = batcher.ask(key, start + TIMEOUT).await;
    (start.elapsed(), answer.is_ok())
}

async fn ask_later(batcher: &Batcher<TestTable>, key: i64, delay: Duration) -> (Duration, bool) {
    sleep(delay).await;
    ask(batcher, key).await
}

#[tokio::test(start_paused = true)]
async fn no_caller_waits_longer_than_one_timeout() {
    // Without a connection; on a locked table; on a connection that swallows what is sent.
    for (now, new) in [
        (Mood::Swallows, Mood::Swallows),
        (Mood::Locked, Mood::Locked),
        (Mood::Swallows, Mood::Locked),
    ] {
        for is_connected in [false, true] {
            let server = TestServer::new();
            let batcher = batcher(&server);
            if is_connected {
                assert!(ask(&batcher, 0).await.1);
            }
            server.set(now, new);
            // One question every 37 ms, each with a deadline of its own.
            let visits = (0..200).map(|number| {
                ask_later(&batcher, number, Duration::from_millis(37) * number as u32)
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
    let batcher = batcher(&server);
    assert!(ask(&batcher, 0).await.1);
    server.set(Mood::Swallows, Mood::Answers);
    let soon = Duration::from_millis(100) + EXACT;
    let visits =
        (0..50).map(|number| ask_later(&batcher, number, Duration::from_millis(4) * number as u32));
    for (number, (took, answered)) in join_all(visits).await.into_iter().enumerate() {
        assert!(answered);
        // A caller that comes after it was noticed does not wait at all.
        let most = if number > 26 { Duration::ZERO } else { soon };
        assert!(took <= most, "caller {number}: {took:?}");
    }
    // And the connection that ended the process of the dead one.
    assert!(server.accepted() <= 3, "{}", server.accepted());
}

/// A visitor may have logged out between the answer of the database and the next question.
#[tokio::test(start_paused = true)]
async fn a_late_answer_is_not_given_to_callers_that_asked_after_it_was_requested() {
    // The earlier callers wait for another connection by then, or are in flight on one or two; in the last
    // case all of them have gone away.
    for (gone, late) in [(false, 160), (false, 600), (true, 600)] {
        let server = TestServer::new();
        let batcher = batcher(&server);
        assert!(ask(&batcher, 0).await.1);
        server.set(Mood::Locked, Mood::Locked);
        let start = Instant::now();
        let wait = if gone { Duration::from_millis(150) } else { TIMEOUT };
        let before = batcher.ask(1, start + wait);
        let after = async {
            sleep(Duration::from_millis(155)).await;
            server.write(1);
            batcher.ask(1, start + TIMEOUT).await
        };
        let (before, after, ()) = tokio::join!(before, after, async {
            sleep(Duration::from_millis(late)).await;
            server.set_one(0, Mood::Answers);
        });
        assert_eq!(before.ok(), (!gone).then_some(0));
        assert_eq!(after.ok(), Some(1), "answered after {late} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn all_connections_may_die_at_once() {
    let server = TestServer::new();
    let batcher = batcher(&server);
    assert!(ask(&batcher, 0).await.1);
    // A second one, because the first is silent for a while.
    server.set(Mood::Locked, Mood::Answers);
    assert!(ask(&batcher, 0).await.1);
    server.set(Mood::Swallows, Mood::Answers);
    assert_eq!(server.open(), 2);
    let (took, answered) = ask(&batcher, 1).await;
    assert!(answered && took < TIMEOUT / 4, "{took:?}");
    // The dead connections are closed soon, and one is left.
    sleep(TIMEOUT / 2).await;
    assert_eq!(server.open(), 1);
}

/// Each of the connections died after the question had been sent on it, and no query is answered that would
/// tell. With few connections the last attempt waits for one.
#[tokio::test(start_paused = true)]
async fn hedges_may_die_like_the_first_connection() {
    for most in [4, 7, 16] {
        let server = TestServer::new();
        let batcher = Batcher::new(TestTable::new(), server.pool(TIMEOUT, most));
        assert!(ask(&batcher, 0).await.1);
        // Connections can be made, and none answers.
        server.set(Mood::Locked, Mood::Locked);
        let answered = async {
            sleep(TIMEOUT * 3 / 8).await;
            server.set_new(Mood::Answers);
        };
        let asked = join_all((0..3).map(|key| ask(&batcher, key)));
        let (asked, ()) = tokio::join!(asked, answered);
        for (took, is_answered) in asked {
            assert!(is_answered && took < TIMEOUT * 3 / 4, "{most}: {took:?}");
        }
        assert!(server.accepted() < 12, "{} connections", server.accepted());
    }
}

/// Some connections are dead, and the database is slow: what it works on is not given up.
#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_waited_for_beside_attempts_on_dead_connections() {
    let server = TestServer::new();
    let batcher = batcher(&server);
    assert!(ask(&batcher, 0).await.1);
    server.set(Mood::Swallows, Mood::Locked);
    let answered = async {
        // The second attempt has a connection by then.
        sleep(TIMEOUT / 16).await;
        assert_eq!(server.accepted(), 2);
        server.set_new(Mood::Swallows);
        sleep(TIMEOUT * 7 / 8).await;
        server.set_one(1, Mood::Answers);
    };
    let ((took, is_answered), ()) = tokio::join!(ask(&batcher, 1), answered);
    assert!(is_answered && took < TIMEOUT, "{took:?}");
}

/// A connection is lost when the batch has been silent for long.
#[tokio::test(start_paused = true)]
async fn a_lost_connection_does_not_fail_what_others_may_answer() {
    const TIMEOUT: Duration = Duration::from_secs(20);

    let server = TestServer::new();
    let batcher = Batcher::new(TestTable::new(), server.pool(TIMEOUT, 16));
    let ask = async |key| batcher.ask(key, Instant::now() + TIMEOUT).await.is_ok();
    assert!(ask(0).await);
    server.set(Mood::Locked, Mood::Locked);
    let answered = async {
        sleep(TIMEOUT * 7 / 8).await;
        server.set_one(0, Mood::Ended);
        sleep(TIMEOUT / 16).await;
        server.set(Mood::Answers, Mood::Answers);
    };
    assert!(tokio::join!(ask(1), answered).0);
}

/// No caller came while the new server did not answer yet.
#[tokio::test(start_paused = true)]
async fn after_a_failover_late_callers_get_as_many_attempts_to_connect() {
    let server = TestServer::new();
    let batcher = batcher(&server);
    assert!(ask(&batcher, 0).await.1);
    server.set(Mood::Swallows, Mood::Swallows);
    for delay in [TIMEOUT, 4 * TIMEOUT, IDLE / 2, 2 * IDLE] {
        assert!(!ask(&batcher, 0).await.1);
        sleep(delay).await;
        let (answer, ()) = tokio::join!(ask(&batcher, 1), async {
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
    let batcher = batcher(&server);
    assert!(ask(&batcher, 0).await.1);
    server.set(Mood::Locked, Mood::Locked);
    for number in 0..20 {
        assert!(!ask(&batcher, number).await.1);
        // And the connection that ends abandoned processes.
        assert!(server.open() <= 4, "{}", server.open());
    }
    server.set(Mood::Answers, Mood::Answers);
    assert!(ask(&batcher, 0).await.1);
}

/// A slow database is not dead: it is asked on few connections.
#[tokio::test(start_paused = true)]
async fn more_connections_than_usual_do_not_stay() {
    let server = TestServer::new();
    let batcher = batcher(&server);
    assert!(ask(&batcher, 0).await.1);
    server.set(Mood::Locked, Mood::Locked);
    // Two batches of half of the callers, each on three connections.
    let (visits, ()) = tokio::join!(join_all((0..20).map(|number| ask(&batcher, number))), async {
        sleep(TIMEOUT / 2).await;
        assert_eq!(server.open(), 6);
        server.set(Mood::Answers, Mood::Answers);
    });
    assert!(visits.iter().all(|(_, answered)| *answered));
    assert_eq!(server.accepted(), 6);
    sleep(IDLE / 3).await;
    assert_eq!(server.open(), 1);
    sleep(2 * IDLE).await;
    assert_eq!(server.open(), 0);
    advance(IDLE).await;
    assert!(ask(&batcher, 0).await.1);
}

/// Connecting is slow: the first of two hosts is gone, or a pooler is busy.
#[tokio::test(start_paused = true)]
async fn a_database_that_is_slow_to_connect_to_is_connected_to() {
    for (delay, most) in
        [(3_600, Duration::from_millis(3_600)), (10_000, 2 * TIMEOUT + TIMEOUT / 2)]
    {
        let server = TestServer::new();
        server.set(
            Mood::Slow(Duration::from_millis(delay)),
            Mood::Slow(Duration::from_millis(delay)),
        );
        let batcher = batcher(&server);
        let start = Instant::now();
        let visits = (0..200)
            .map(|number| ask_later(&batcher, number, Duration::from_millis(100) * number as u32));
        let visits = join_all(visits.map(async |visit| (visit.await, start.elapsed()))).await;
        let first =
            visits.iter().find(|((_, answered), _)| *answered).expect("no caller was answered");
        assert!(first.1 <= most + EXACT, "connected after {:?}", first.1);
        let failed = visits.iter().filter(|((_, answered), _)| !answered).count();
        // The callers that came more than one timeout before that.
        let early = Duration::from_millis(delay).saturating_sub(TIMEOUT).as_millis() / 100;
        assert!(failed as u128 <= early + 1, "{failed} of 200 failed, {delay} ms");
    }
}

/// A server that was replaced by another one keeps some attempts hanging for ever.
#[tokio::test(start_paused = true)]
async fn a_slow_database_is_connected_to_though_attempts_hang_from_before() {
    let server = TestServer::new();
    let batcher = batcher(&server);
    server.set(Mood::Swallows, Mood::Swallows);
    for _ in 0..5 {
        assert!(!ask(&batcher, 0).await.1);
    }
    let slow = Mood::Slow(Duration::from_millis(1_500));
    server.set(Mood::Swallows, slow);
    // At the latest after one timeout and the time it takes to connect.
    sleep(TIMEOUT / 2).await;
    assert!(ask(&batcher, 0).await.1);
}

/// Each refused connection costs the server a process.
#[tokio::test(start_paused = true)]
async fn a_full_server_gets_few_attempts_and_the_waiters_are_answered_later() {
    let server = TestServer::new();
    server.set(Mood::Answers, Mood::Refuses("53300"));
    let batcher = batcher(&server);
    let visits = (0..100).map(|number| ask_later(&batcher, number, Duration::from_millis(10)));
    let (visits, ()) = tokio::join!(join_all(visits), async {
        sleep(TIMEOUT / 2).await;
        assert!(server.accepted() < 20, "{} attempts", server.accepted());
        server.set(Mood::Answers, Mood::Answers);
    });
    assert!(visits.iter().all(|(_, answered)| *answered));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_fails_at_once_and_is_seldom_tried_again() {
    let server = TestServer::new();
    server.set(Mood::Answers, Mood::Refuses("28P01"));
    let batcher = batcher(&server);
    for number in 0..100 {
        let (took, answered) = ask(&batcher, number).await;
        assert!(!answered && took <= TIMEOUT / 4 + EXACT, "{took:?}");
    }
    assert!(server.accepted() <= 100);
    // The password is corrected.
    server.set(Mood::Answers, Mood::Answers);
    assert!(ask(&batcher, 0).await.1);
}

/// No timeout ends some processes, such as those that wait in a commit for a standby.
#[tokio::test(start_paused = true)]
async fn abandoned_processes_count_until_they_are_gone() {
    const MOST: usize = 8;
    let server = TestServer::new();
    let pool = server.pool(TIMEOUT, MOST);
    let (direct, table) = (Direct::new(&pool), TestTable::new());
    let batcher = Batcher::new(TestTable::new(), pool);
    let deadline = || Instant::now() + TIMEOUT;
    let write = async |row: usize| {
        direct.write(Kind::SessionWrites, row, table.query(), deadline()).await.is_ok()
    };
    assert!(write(0).await && ask(&batcher, 0).await.1);
    server.set(Mood::Locked, Mood::Locked);
    let writes = (0..200).map(async |number: usize| {
        sleep(TIMEOUT / 20 * number as u32).await;
        assert!(server.open() <= MOST, "{} connections", server.open());
        assert!(!write(number).await);
    });
    join_all(writes).await;
    assert!(server.accepted() > MOST, "nothing was given up on");
    server.set(Mood::Answers, Mood::Answers);
    assert!(write(1).await && ask(&batcher, 1).await.1);
}

#[tokio::test(start_paused = true)]
async fn reads_of_a_locked_table_stay_within_the_bound() {
    const MOST: usize = 4;
    let server = TestServer::new();
    let batcher = Batcher::new(TestTable::new(), server.pool(TIMEOUT, MOST));
    assert!(ask(&batcher, 0).await.1);
    for _ in 0..3 {
        server.set(Mood::Locked, Mood::Locked);
        for number in 0..20 {
            assert!(!ask(&batcher, number).await.1);
            assert!(server.open() <= MOST, "{} connections", server.open());
        }
        server.set(Mood::Answers, Mood::Answers);
        assert!(ask(&batcher, 0).await.1);
        server.set(Mood::Swallows, Mood::Answers);
        assert!(ask(&batcher, 0).await.1, "the dead ones are replaced");
    }
}

/// A table locked against writes, or one row that many want to write.
#[tokio::test(start_paused = true)]
async fn writers_of_one_locked_row_use_one_connection_and_no_other_caller_waits() {
    let server = TestServer::new();
    let pool = server.pool(TIMEOUT, 16);
    let (direct, table) = (Direct::new(&pool), TestTable::new());
    let write = async |kind: Kind, row: &str| {
        let start = Instant::now();
        let done = direct.write(kind, row, table.query(), start + TIMEOUT).await.is_ok();
        (start.elapsed(), done)
    };
    assert!(write(Kind::SessionWrites, "locked").await.1);
    server.set(Mood::Locked, Mood::Answers);
    let stuck = join_all((0..20).map(|_| write(Kind::SessionWrites, "locked")));
    let others = async {
        sleep(TIMEOUT / 4).await;
        assert_eq!(server.open(), 1);
        for row in ["a", "b", "c"] {
            assert_eq!(write(Kind::SessionWrites, row).await, (Duration::ZERO, true));
        }
    };
    let (stuck, ()) = tokio::join!(stuck, others);
    assert!(stuck.iter().all(|(took, done)| !done && *took <= TIMEOUT + EXACT));
}

/// Everything that may wait for a lock on users leaves connections to sessions.
#[tokio::test(start_paused = true)]
async fn locked_users_take_no_connection_from_sessions() {
    let server = TestServer::new();
    let pool = server.pool(TIMEOUT, 16);
    let (direct, table) = (Direct::new(&pool), TestTable::new());
    let batcher = Batcher::new(TestTable::new(), pool);
    server.set(Mood::Locked, Mood::Locked);
    let write = async |row: usize| {
        let deadline = Instant::now() + TIMEOUT;
        direct.write(Kind::UserWrites, row, table.query(), deadline).await.is_ok()
    };
    let read = async || direct.read(table.query(), Instant::now() + TIMEOUT).await.is_ok();
    let stuck =
        async { tokio::join!(join_all((0..50).map(write)), join_all((0..50).map(|_| read()))) };
    let ((writes, _), ()) = tokio::join!(stuck, async {
        sleep(TIMEOUT / 2).await;
        server.set_new(Mood::Answers);
        for number in 0..10 {
            let (took, answered) = ask(&batcher, number).await;
            assert!(answered && took < TIMEOUT / 4, "{took:?}");
        }
    });
    assert!(writes.iter().all(|done| !done));
}

#[tokio::test(start_paused = true)]
async fn a_write_after_its_deadline_is_never_sent() {
    let server = TestServer::new();
    let pool = server.pool(TIMEOUT, 4);
    let (direct, table) = (Direct::new(&pool), TestTable::new());
    let write = async |row: usize| {
        let deadline = Instant::now() + TIMEOUT;
        direct.write(Kind::SessionWrites, row, table.query(), deadline).await.is_ok()
    };
    assert!(write(0).await);
    server.set(Mood::Locked, Mood::Locked);
    assert!(join_all((0..10).map(write)).await.iter().all(|done| !done));
    let executed = server.executed();
    server.set(Mood::Answers, Mood::Answers);
    sleep(3 * TIMEOUT).await;
    assert_eq!(server.executed(), executed);
    assert!(write(0).await);
}

/// The server was read-only for a while, or a right was taken away and given back: older connections do
/// not know.
#[tokio::test(start_paused = true)]
async fn a_connection_that_lost_its_rights_is_replaced() {
    for code in ["25006", "42501", "28000", "3D000"] {
        let server = TestServer::new();
        let pool = server.pool(TIMEOUT, 8);
        let (direct, table) = (Direct::new(&pool), TestTable::new());
        let batcher = Batcher::new(TestTable::new(), pool);
        let write = async || {
            let deadline = Instant::now() + TIMEOUT;
            direct.write(Kind::SessionWrites, 0, table.query(), deadline).await.is_ok()
        };
        assert!(write().await && ask(&batcher, 0).await.1);
        advance(TIMEOUT).await;
        server.set(Mood::Fails(code), Mood::Answers);
        assert!(write().await, "{code}");
        assert!(ask(&batcher, 1).await.1, "{code}");
        assert_eq!(server.accepted(), 2, "{code}");
        // If new connections get the same error, the caller gets it, and they are not replaced again and again.
        advance(TIMEOUT).await;
        server.set(Mood::Fails(code), Mood::Fails(code));
        for _ in 0..50 {
            assert!(!write().await, "{code}");
        }
        assert!(server.accepted() <= 4, "{code}: {}", server.accepted());
    }
}

#[tokio::test(start_paused = true)]
async fn queries_that_were_not_executed_are_retried_writes_too() {
    for code in ["40001", "40P01", "55P03"] {
        let server = TestServer::new();
        let pool = server.pool(TIMEOUT, 8);
        let (direct, table) = (Direct::new(&pool), TestTable::new());
        let batcher = Batcher::new(TestTable::new(), pool);
        assert!(ask(&batcher, 0).await.1);
        server.set(Mood::Fails(code), Mood::Fails(code));
        let deadline = Instant::now() + TIMEOUT;
        let write = direct.write(Kind::SessionWrites, 0, table.query(), deadline);
        let (written, (_, answered), ()) = tokio::join!(write, ask(&batcher, 1), async {
            sleep(TIMEOUT / 2).await;
            server.set(Mood::Answers, Mood::Answers);
        });
        assert!(written.is_ok() && answered, "{code}");
        assert_eq!(server.accepted(), 2, "{code}");
    }
}

/// The large answer uses another connection.
#[tokio::test(start_paused = true)]
async fn no_caller_waits_for_the_large_answer_of_another() {
    let server = TestServer::new();
    let batcher = batcher(&server);
    assert!(ask(&batcher, 0).await.1);
    server.set(Mood::Locked, Mood::Answers);
    let (large, ()) = tokio::join!(batcher.ask(LARGE, Instant::now() + TIMEOUT), async {
        sleep(EXACT).await;
        for number in 0..10 {
            assert_eq!(ask(&batcher, number).await, (Duration::ZERO, true));
        }
    });
    assert!(large.is_ok());
}

/// The settings of a role may have changed since it was made, for example.
#[tokio::test(start_paused = true)]
async fn no_connection_grows_old_however_busy_it_is() {
    let server = TestServer::new();
    let batcher = batcher(&server);
    // 35 minutes: longer than the greatest age, and shorter than twice the least one (24 minutes).
    for _ in 0..70 {
        assert!(ask(&batcher, 0).await.1);
        sleep(IDLE / 2).await;
    }
    assert_eq!(server.accepted(), 2);
    assert_eq!(server.open(), 1);
}

/// A plan made for an empty table does not stay: the statement is prepared again.
#[tokio::test(start_paused = true)]
async fn statements_are_prepared_again_after_a_while() {
    let server = TestServer::new();
    let batcher = batcher(&server);
    for (delay, prepared) in [(0, 1), (20, 1), (11, 2), (20, 2), (11, 3)] {
        sleep(Duration::from_secs(delay)).await;
        assert!(ask(&batcher, 0).await.1);
        assert_eq!(server.prepared(), prepared);
    }
    assert_eq!(server.accepted(), 1);
}
