//! PostgreSQL is stopped: it accepts connections and answers nothing. Then it is continued.

use std::{
    fs,
    time::{Duration, Instant},
};

use testbed::{Postgres, With};

use crate::{
    alone,
    load::Load,
    scene::Scene,
    service::{Service, pool, settings},
    until,
};

/// Short, because visitors of a frozen server wait that long. All others are answered in that time, also by
/// a busy machine: so they are few.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Far longer than two lookups and the delay of two busy cores, and shorter than any timeout of sockets.
const IN_TIME: Duration = Duration::from_secs(16);

#[tokio::test]
async fn a_frozen_server_means_503_in_time_and_leaves_nothing_behind() {
    let _turn = alone().await;
    let postgres = Postgres::start().await.unwrap();
    let scene = Scene::on(&postgres).await;
    let service =
        Service::start(pool(scene.database.url(), 8), settings().with(|s| s.timeout = TIMEOUT));

    let load = Load::start(&service, &scene, 50);
    load.serve(3_000).await;
    load.stop("before the stop").await;
    let (descriptors, memory) = (open_descriptors(), resident_memory());

    for (round, failures) in [(1, 150), (2, 50)] {
        let load = Load::start(&service, &scene, 50);
        load.serve(1_000).await;
        postgres.freeze().await.unwrap();
        load.fail(failures).await;
        postgres.thaw().await.unwrap();
        let resumed = load.recover(Instant::now()).await;
        println!("frozen, round {round}: the last 503 came {resumed:?} after the server went on");
        let counts = load.stop("PostgreSQL frozen and continued").await;
        assert!(counts.slowest() < IN_TIME, "an answer took {:?}", counts.slowest());
    }

    until("descriptors are closed", async || open_descriptors() <= descriptors).await;
    let grown = resident_memory().saturating_sub(memory);
    println!("frozen: {descriptors} descriptors as before, {grown} KiB of memory more");
    assert!(grown < 32 << 10, "memory grew by {grown} KiB");
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// In KiB.
fn resident_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
