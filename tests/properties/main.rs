//! Properties that hold for any input, and random input.
//!
//! The number of cases is fixed. So is the seed, until `TEST_SEED` sets another one. Where the
//! other side of a comparison is Python, it is a running Django's (`judged`).

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
