//! How throughput grows with a second worker, and what pools of different sizes do to it.

#[allow(dead_code, reason = "each benchmark uses its part")]
mod common;

use std::collections::HashMap;

use actix_web::rt::System;
use common::{
    DJANGO, Result,
    load::{Load, Until},
    machine,
    measure::{Visit, visit},
    options::Options,
    report::{self, Table, number, ratio},
    server::{Server, Variant, serve_if_asked},
    site::Site,
    stats::{Dice, median},
};

const CONNECTIONS: usize = 32;
const VARIANTS: [Variant; 2] = [Variant::Baseline, Variant::Required];
const WORKERS: [usize; 2] = [1, 2];
const POOLS: [usize; 3] = [1, 4, 16];

/// One server: what it serves, its workers, the connections in its pool.
type Setup = (Variant, usize, usize);

fn main() -> Result<()> {
    serve_if_asked();
    let options = Options::from_command_line();
    System::new().block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let site = Site::start(options).await?;
    let mut servers = Vec::new();
    for variant in VARIANTS {
        for workers in WORKERS {
            for pool in POOLS {
                let server = Server::start(variant, &site, workers, pool, &options.under).await?;
                let requests = variant.requests(&site);
                let mut load = Load::new(server.address, CONNECTIONS, &requests, Dice::new(0))?;
                load.run(Until::Elapsed(options.window() / 2))?;
                servers.push(((variant, workers, pool), server, requests));
            }
        }
    }

    let mut dice = Dice::new(options.seed);
    let mut visits: HashMap<Setup, Vec<Visit>> = HashMap::new();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        dice.shuffle(&mut servers);
        for (setup, server, requests) in &servers {
            let seed = Dice::new(dice.below(1 << 30) as u64);
            let found = visit(server, &site, requests, CONNECTIONS, options.window(), seed)
                .map_err(|error| format!("{setup:?}: {error}"))?;
            visits.entry(*setup).or_default().push(found);
        }
    }
    let report = report(options, &site, &visits);
    println!("\n{report}");
    if options.save {
        report::save("workers", &report)?;
    }
    Ok(())
}

fn report(options: &Options, site: &Site, visits: &HashMap<Setup, Vec<Visit>>) -> String {
    let of = |setup: Setup| visits.get(&setup).into_iter().flatten();
    let growth = |variant, pool| {
        let pairs = of((variant, 2, pool)).zip(of((variant, 1, pool)));
        median(pairs.map(|(two, one)| two.requests_per_second / one.requests_per_second))
    };
    let mut table = Table::new(&[
        "server",
        "workers",
        "pool",
        "requests/s",
        "to 1 worker",
        "p50, µs",
        "p99, µs",
        "CPU µs per request",
    ]);
    for variant in VARIANTS {
        for workers in WORKERS {
            for pool in POOLS {
                let all = || of((variant, workers, pool));
                table.row([
                    variant.title().into(),
                    workers.to_string(),
                    pool.to_string(),
                    number(median(all().map(|visit| visit.requests_per_second))),
                    if workers == 1 { "1".into() } else { ratio(growth(variant, pool)) },
                    number(median(all().map(|visit| visit.p50))),
                    number(median(all().map(|visit| visit.p99))),
                    number(median(all().map(|visit| visit.cpu().unwrap_or(f64::NAN)))),
                ]);
            }
        }
    }
    let others = median(visits.values().flatten().filter_map(|visit| visit.other_cores));
    let warning =
        if others > 0.05 { " **The machine was busy: these numbers are noise.**" } else { "" };
    format!(
        "{}, PostgreSQL {}, {DJANGO}\n\n`{}`\n\n{}\nMedians of {} rounds of {} s, {CONNECTIONS} \
         keep-alive connections. PostgreSQL and the load want the cores of this machine too. What \
         had nothing to do with this kept {others:.2} cores busy (median).{warning}",
        machine::description(),
        site.postgres_version,
        options.command("workers"),
        table.to_markdown(),
        options.rounds,
        options.seconds,
    )
}
