//! A service in production: beside Django, with health checks, new releases and shutdowns.

mod auth_request;
mod compare;
mod health;
mod mirror;
mod nginx;
mod partitioned;
mod password_file;
mod rotation;
mod shutdown;
mod slow_forms;
mod user_table;
