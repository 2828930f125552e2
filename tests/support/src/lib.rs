//! A running PostgreSQL and a running Django site for the tests, the demo and the benchmarks.
