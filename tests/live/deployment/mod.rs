//! What a service is in production: put beside Django, asked for its health, deployed anew, told to end.

mod auth_request;
mod compare;
mod health;
mod mirror;
mod nginx;
mod partitioned;
mod password_file;
mod rotation;
mod shutdown;
mod user_table;
