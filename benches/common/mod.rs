//! What the benchmarks share: options, a database full of sessions, servers, load, reports.

pub(crate) mod chart;
pub(crate) mod far;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod measure;
pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod server;
pub(crate) mod sessions;
pub(crate) mod site;
pub(crate) mod stats;

pub(crate) type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The `SECRET_KEY` of the Django site and of the services beside it.
pub(crate) const SECRET_KEY: &str = testbed::Settings::SECRET_KEY;

/// The Django version that everything is compared with.
pub(crate) const DJANGO: testbed::Django = testbed::Django::V5_2;
