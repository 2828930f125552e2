//! The code of each chapter of the guide, taken from the chapter, on a real database. Each chapter has a
//! module; `tests/guide.rs` checks that none is missing.

mod deployment;
mod differences;
mod forms;
mod go_gin;
mod live;
mod log_in;
mod messages;
mod move_one_endpoint;
mod production;
mod rest;
mod sessions;
mod start;
mod tenants;
mod testing;
mod who_may;

use actix_django_session::{DjangoSite, test};
use actix_web::{http::Method, test::TestRequest};

/// A request of a user with this name and a new login.
async fn by(site: &DjangoSite, username: &str, method: Method, uri: &str) -> TestRequest {
    let cookie = test::create_session(site, username).await;
    TestRequest::with_uri(uri).method(method).insert_header(("Cookie", cookie))
}
