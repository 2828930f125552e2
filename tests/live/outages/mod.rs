//! The database fails in the middle of a request. Under load: `tests/faults`.

mod saving;
mod users;
