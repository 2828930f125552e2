//! Writes during faults, and how soon everything works again afterwards. The clock is stopped.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tokio::time::{Instant, sleep};

use super::{
    batcher::Batcher,
    direct::Direct,
    kind::Kind,
    pool::Pool,
    test_server::{Mood, TestServer, TestTable},
};

const TIMEOUT: Duration = Duration::from_secs(4);

/// The first moment at which a timer can fire.
const EXACT: Duration = Duration::from_millis(1);

/// A service that writes.
struct Writer {
    direct: Direct,
    table: TestTable,
}

impl Writer {
    fn new(pool: &Arc<Pool>) -> Self {
        Self { direct: Direct::new(pool), table: TestTable::new() }
    }

    /// Writes a row. Returns how long that took, and whether it was written.
    async fn write(&self, row: usize) -> (Duration, bool) {
        let start = Instant::now();
        let query = self.table.query();
        let written = self.direct.write(Kind::SessionWrites, row, query, start + TIMEOUT).await;
        (start.elapsed(), written.is_ok())
    }
}

/// After any fault, and with any number of connections: a caller that comes one `timeout` after its end is
/// answered, and so are all later callers.
#[tokio::test(start_paused = true)]
async fn after_every_fault_callers_are_answered_within_one_timeout() {
    const EVERY: Duration = Duration::from_millis(500);
    const LASTS: Duration = Duration::from_secs(10);

    let slow = Mood::Slow(Duration::from_secs(10));
    for (now, new) in [
        (Mood::Swallows, Mood::Swallows),
        (Mood::Swallows, Mood::Answers),
        (Mood::Locked, Mood::Locked),
        (Mood::Locked, Mood::Refuses("53300")),
        (Mood::Swallows, Mood::Refuses("53300")),
        (Mood::Ended, Mood::Refuses("57P03")),
        (Mood::Ended, Mood::Refuses("28P01")),
        (Mood::Ended, slow),
        (Mood::Fails("25006"), Mood::Fails("25006")),
        (Mood::Fails("40001"), Mood::Fails("40001")),
        (Mood::Fails("55P03"), Mood::Fails("55P03")),
        (Mood::Fails("XX001"), Mood::Fails("XX001")),
    ] {
        for connections in [2, 32] {
            let server = TestServer::new();
            let pool = server.pool(TIMEOUT, connections);
            let writer = Writer::new(&pool);
            let batcher = Batcher::new(TestTable::new(), pool);
            assert!(batcher.ask(0, Instant::now() + TIMEOUT).await.is_ok());
            assert!(writer.write(0).await.1);
            server.set(now, new);
            let over = Instant::now() + LASTS;
            let heals = async {
                sleep(LASTS).await;
                // Dead connections stay dead.
                server.set(if now == Mood::Swallows { now } else { Mood::Answers }, Mood::Answers);
            };
            let count = (LASTS + 3 * TIMEOUT).as_millis() / EVERY.as_millis();
            let callers = join_all((0..count as usize).map(async |number| {
                sleep(EVERY * number as u32).await;
                let start = Instant::now();
                let read = batcher.ask(number as i64, start + TIMEOUT);
                let (read, (_, written)) = tokio::join!(read, writer.write(number));
                (start, read.is_ok(), written)
            }));
            let (callers, ()) = tokio::join!(callers, heals);
            for (start, read, written) in callers {
                if start >= over + TIMEOUT {
                    let late = start - over;
                    let what =
                        format!("{now:?}, {new:?}, {connections} connections, {late:?} after");
                    assert!(read && written, "{what}: read {read}, written {written}");
                }
            }
        }
    }
}

/// Connections that died without a sign: each costs only the write that finds it out.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_silent_keeps_others_from_connections_that_died_with_its_own() {
    let server = TestServer::new();
    let writer = Writer::new(&server.pool(TIMEOUT, 32));
    // Four idle connections.
    server.set(Mood::Locked, Mood::Locked);
    let (written, ()) = tokio::join!(join_all((0..4).map(|row| writer.write(row))), async {
        sleep(EXACT).await;
        server.set(Mood::Answers, Mood::Answers);
    });
    assert!(written.iter().all(|(_, written)| *written));
    assert_eq!(server.open(), 4);
    server.set(Mood::Swallows, Mood::Answers);
    let writes = join_all((0..40_u32).map(async |row| {
        sleep(Duration::from_millis(100) * row).await;
        writer.write(row as usize).await
    }));
    let failed: Vec<_> = writes.await.into_iter().filter(|(_, written)| !written).collect();
    // The second write was sent before the first was known to be silent.
    assert!(failed.len() <= 2, "{} of 40 failed", failed.len());
    assert!(failed.iter().all(|(took, _)| *took <= TIMEOUT + EXACT));
}

/// A future that is polled once and then left alone, as by `select!` in a handler.
#[tokio::test(start_paused = true)]
async fn a_paused_write_stops_no_other_and_is_executed() {
    let server = TestServer::new();
    let writer = Writer::new(&server.pool(TIMEOUT, 4));
    assert!(writer.write(0).await.1);
    let mut paused = Box::pin(writer.write(1));
    assert!((&mut paused).now_or_never().is_none());
    for row in [1, 2, 1, 3] {
        assert_eq!(writer.write(row).await, (Duration::ZERO, true));
    }
    assert_eq!(server.executed(), 6);
    sleep(3 * TIMEOUT).await;
    assert!(paused.await.1);
    assert_eq!(server.executed(), 6);
}

/// A runtime whose thread is blocked while it writes a row delays no writer of that row elsewhere.
#[tokio::test(start_paused = true)]
async fn a_runtime_that_sleeps_holds_up_no_writer_of_another_one() {
    let server = TestServer::new();
    let writer = Arc::new(Writer::new(&server.pool(TIMEOUT, 32)));
    let (asleep, of_asleep) = (Arc::clone(&writer), server.clone());
    let runtime = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            assert!(asleep.write(0).await.1);
            of_asleep.set(Mood::Locked, Mood::Answers);
            let mut write = Box::pin(asleep.write(0));
            while of_asleep.executed() < 2 {
                assert!((&mut write).now_or_never().is_none());
                tokio::task::yield_now().await;
            }
        });
        runtime
    });
    let runtime = runtime.join().unwrap();
    assert_eq!(writer.write(0).await, (Duration::ZERO, true));
    runtime.shutdown_background();
}

/// For any `timeout`: a connection that waits for a lock is not taken for a dead one.
#[tokio::test(start_paused = true)]
async fn a_lock_is_reported_before_a_hedge() {
    for millis in [40, 200, 1_000, 5_000, 20_000, 60_000] {
        let pool = TestServer::new().pool(Duration::from_millis(millis), 8);
        let (lock, hedge_after) =
            (pool.server().lock_timeout(), pool.server().hedge_after(Kind::Sessions));
        assert!(lock * 2 <= hedge_after && lock >= Duration::from_millis(10), "{millis}: {lock:?}");
    }
}
