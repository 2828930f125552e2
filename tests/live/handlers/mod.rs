//! Tests of the handlers of the examples and of the demo, in the way that an application tests its own:
//! most without a database, with `actix_django_session::test`, the rest with a real one.

mod account;
pub(crate) mod answers;
pub(crate) mod bed;
mod cached_db;
mod cart;
mod demo;
mod error_handler;
pub(crate) mod examples;
mod forms;
mod log_in;
mod metrics;
mod mixed_pages;
mod permissions_and_pages;
mod rest_framework;
mod signing;
mod single_page_app;
mod upload;
mod websocket;
mod whoami;
mod workbench;
