//! The database fails in the middle of a request. `tests/faults` does the same under load.

mod saving;
mod users;
