//! The guide, from the first line of code to production.
//!
//! 1. [Start](start): settings, pool, connections, the first middleware.
//! 2. [Move one endpoint](move_one_endpoint): a Django view and its Rust handler side by side, the
//!    proxy in front, and the way back.
//! 3. [Forms and CSRF](forms): what a middleware checks before a handler changes anything.
//! 4. [Sessions that change](sessions): carts, sliding expiry, session engines.
//! 5. [Log in and log out](log_in): `next`, passwords, what only Django does.
//! 6. [Messages](messages): shared with the pages of Django.
//! 7. [Who may](who_may): permissions, groups, staff, second factors, impersonation, tokens.
//! 8. [WebSockets and streams](live): they end with the session.
//! 9. [Several tenants](tenants): one site for each.
//! 10. [Testing your handlers](testing): with a database and without.
//! 11. [In production](production): rights, keys, counters, log lines, outages, poolers.
//! 12. [Deployment](deployment): health, shutdown, containers, migrations, roll-back.
//! 13. [Move an API endpoint](rest): tokens, JWTs and sessions of the Django REST framework.
//! 14. [What differs from Django](differences): every case, and what stays with Django.
//! 15. [Coming from go-gin-django-session](go_gin): the names there and here.
//!
//! All code of the guide compiles. `examples/..`, `docs/..` and `src/..` are files of the package: see
//! [its source](https://docs.rs/crate/actix-django-session/latest/source/), or a checkout.

pub mod deployment;
pub mod differences;
pub mod forms;
pub mod go_gin;
pub mod live;
pub mod log_in;
pub mod messages;
pub mod move_one_endpoint;
pub mod production;
pub mod rest;
pub mod sessions;
pub mod start;
pub mod tenants;
pub mod testing;
pub mod who_may;
