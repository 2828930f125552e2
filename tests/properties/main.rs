//! Properties that hold for any input, tested with random input.
//!
//! The number of cases is fixed. So is the seed, unless `TEST_SEED` sets another one. Where a comparison
//! needs Python, a running Django answers (`judged`).

#![allow(clippy::unwrap_used)] // a test may

mod data;
mod json;
mod judged;
mod key;
mod model;
mod reference;
mod signing;

use proptest::test_runner::{Config, RngSeed};
use testbed::seed;

fn cases(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed()),
        failure_persistence: None,
        max_shrink_iters: 4_096,
        ..Config::default()
    }
}
