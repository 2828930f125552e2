//! The full check: `login_required` and its extractors admit exactly the users whom Django admits.

mod changed_by_django;
mod differences;
pub(crate) mod differential;
mod examples;
mod hooks;
mod memo;
mod middleware;
mod nested;
mod permission_names;
mod promises;
mod queries;
pub(crate) mod sessions;
mod user_models;
mod user_tests;
