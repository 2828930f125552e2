//! One visit: load on one server for a while.

use std::{process, time::Duration};

use super::{
    Result,
    load::{Load, Request, Until},
    process::{cpu_seconds, machine_cpu_seconds},
    server::Server,
    site::Site,
    stats::{Rng, percentile},
};

/// Long enough for a fast server to be asked for most visitors once.
const WARM_UP: Duration = Duration::from_millis(500);

const WARM_UP_CONNECTIONS: usize = 32;

/// What one visit found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    pub(crate) requests_per_second: f64,
    /// Latencies in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// CPU microseconds per request, where they can be known.
    pub(crate) server_cpu: Option<f64>,
    pub(crate) postgres_cpu: Option<f64>,
    /// How many cores the load itself kept busy.
    pub(crate) load_cores: Option<f64>,
    /// How many cores were busy with what has nothing to do with this.
    pub(crate) other_cores: Option<f64>,
}

impl Visit {
    /// CPU microseconds per request, of server and PostgreSQL.
    pub(crate) fn cpu(&self) -> Option<f64> {
        Some(self.server_cpu? + self.postgres_cpu?)
    }
}

/// Asks a server random requests, and checks every response.
pub(crate) fn visit(
    server: &Server,
    site: &Site,
    (requests, in_a_row): (&[Request], usize),
    connections: usize,
    window: Duration,
    mut rng: Rng,
) -> Result<Visit> {
    // Others have had the caches of the processors since the last visit. In production a server has them all
    // the time. Other visitors come then: those of the measurement must not be the ones who were just here.
    let others = Rng::new(rng.below(1 << 30) as u64);
    let warm_up = Load::new(server.address, WARM_UP_CONNECTIONS, requests, in_a_row, others);
    warm_up?.run(Until::Elapsed(WARM_UP))?;
    let mut load = Load::new(server.address, connections, requests, in_a_row, rng)?;
    load.run(Until::Elapsed(window.div_f64(5.0).max(Duration::from_millis(50))))?;

    let before = Cpu::now(server, site);
    let mut answers = load.run(Until::Elapsed(window))?;
    let after = Cpu::now(server, site);

    let count = answers.latencies.len() as f64;
    let (seconds, elapsed) = (window.as_secs_f64(), answers.elapsed.as_secs_f64());
    answers.latencies.sort_unstable();
    let each = |before: Option<f64>, after: Option<f64>| Some((after? - before?) / count * 1e6);
    let cores = |before: Option<f64>, after: Option<f64>| Some((after? - before?) / elapsed);
    let load_cores = cores(before.load, after.load);
    let other_cores = || {
        let known = cores(before.server, after.server)?
            + cores(before.postgres, after.postgres)?
            + load_cores?;
        Some((cores(before.machine, after.machine)? - known).max(0.0))
    };
    Ok(Visit {
        requests_per_second: answers.in_time as f64 / seconds,
        p50: percentile(&answers.latencies, 0.5) / 1e3,
        p99: percentile(&answers.latencies, 0.99) / 1e3,
        server_cpu: each(before.server, after.server),
        postgres_cpu: each(before.postgres, after.postgres),
        load_cores,
        other_cores: other_cores(),
    })
}

/// CPU seconds so far.
struct Cpu {
    server: Option<f64>,
    postgres: Option<f64>,
    load: Option<f64>,
    machine: Option<f64>,
}

impl Cpu {
    fn now(server: &Server, site: &Site) -> Self {
        Self {
            server: cpu_seconds(server.pid),
            postgres: site.postmaster.and_then(cpu_seconds),
            load: own_cpu_seconds(),
            machine: machine_cpu_seconds(),
        }
    }
}

/// Of this process alone, without the servers that descend from it.
fn own_cpu_seconds() -> Option<f64> {
    super::process::own_cpu_seconds(process::id())
}
