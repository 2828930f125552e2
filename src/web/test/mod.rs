//! Tests of your handlers without a database: a Django site in memory, and a visitor's browser.
//!
//! ```
//! use actix_django_session::{DjangoSessionMiddleware, DjangoUser, test::{self, TestUser}};
//! use actix_web::{App, test::{TestRequest, init_service, read_body}, web};
//!
//! # actix_web::rt::System::new().block_on(async {
//! async fn dashboard(user: DjangoUser) -> String {
//!     format!("Hello, {}", user.username())
//! }
//! let site = test::site().user(TestUser::new(7, "ada")).build();
//! let middleware = DjangoSessionMiddleware::login_required(site.clone());
//! let app = init_service(App::new().wrap(middleware).route("/", web::get().to(dashboard))).await;
//!
//! let anonymous = test::Client::new(&site);
//! assert_eq!(anonymous.send(&app, TestRequest::get()).await.status(), 302);
//! let ada = test::Client::logged_in(&site, "ada").await;
//! let answer = ada.send(&app, TestRequest::get()).await;
//! assert_eq!(read_body(answer).await, "Hello, ada");
//! # });
//! ```
//!
//! Middlewares, extractors, cookies, signatures and hashes are the real ones. Only the tables are in memory
//! and not in PostgreSQL. The chapter [testing](crate::guide::testing) shows more.

mod client;
mod test_site;
mod test_user;

use crate::{
    error::Error,
    session::{Expiry, SESSION_EXPIRY, SessionData},
    site::DjangoSite,
};
pub use client::Client;
pub use test_site::{TestSite, put_user, site};
pub use test_user::TestUser;

/// Creates a session for a user, which ends in an hour, and returns the value of a `Cookie` header for it. It
/// inserts a row into the site's session table, in memory or in a real database.
///
/// ```no_run
/// # async fn f(site: actix_django_session::DjangoSite) {
/// use actix_django_session::test;
/// use actix_web::test::TestRequest;
///
/// let cookie = test::create_session(&site, "ada").await;
/// let request = TestRequest::get().uri("/account").insert_header(("Cookie", cookie));
/// # }
/// ```
///
/// The database role needs `INSERT` on the session table. The setting `write_sessions` is not needed.
///
/// # Panics
/// If there is no such user, or PostgreSQL does not answer.
pub async fn create_session(site: &DjangoSite, username: &str) -> String {
    let row = async {
        let mut data = SessionData::new();
        if let Some(json) = site.stored_expiry(Expiry::Seconds(3600))? {
            data.insert_json(SESSION_EXPIRY, &json).map_err(|_| Error::InvalidExpiry)?;
        }
        let user = site.user_by_username(username).await?;
        site.create_as_django(site.logged_in(&user, data).await?).await
    };
    let session = row.await.unwrap_or_else(|error| panic!("no session row: {}", error.chain()));
    format!("{}={}", site.settings().session_cookie_name, session.key().as_str())
}
