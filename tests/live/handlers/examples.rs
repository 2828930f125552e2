//! The code of the examples, as modules.

#[path = "../../../examples/auth_version.rs"]
pub(crate) mod auth_version;
#[path = "../../../examples/cached_db.rs"]
pub(crate) mod cached_db;
#[path = "../../../examples/cart.rs"]
pub(crate) mod cart;
#[path = "../../../examples/error_handler.rs"]
pub(crate) mod error_handler;
#[path = "../../../examples/forms.rs"]
pub(crate) mod forms;
#[path = "../../../examples/health.rs"]
pub(crate) mod health;
#[path = "../../../examples/impersonation.rs"]
pub(crate) mod impersonation;
#[path = "../../../examples/log_in.rs"]
pub(crate) mod log_in;
#[path = "../../../examples/metrics.rs"]
pub(crate) mod metrics;
#[path = "../../../examples/mixed_pages.rs"]
pub(crate) mod mixed_pages;
#[path = "../../../examples/permissions_and_pages.rs"]
pub(crate) mod permissions_and_pages;
#[path = "../../../examples/rest_framework.rs"]
pub(crate) mod rest_framework;
#[path = "../../../examples/single_page_app.rs"]
pub(crate) mod single_page_app;
#[path = "../../../examples/tls.rs"]
pub(crate) mod tls;
#[path = "../../../examples/two_factor.rs"]
pub(crate) mod two_factor;
#[path = "../../../examples/upload.rs"]
pub(crate) mod upload;
#[allow(dead_code)] // its `main` listens to signals
#[path = "../../../examples/websocket.rs"]
pub(crate) mod websocket;
#[path = "../../../examples/whoami.rs"]
pub(crate) mod whoami;

/// The pages of the demo, without the code that starts PostgreSQL and Django.
#[path = "../../../examples/demo"]
pub(crate) mod demo {
    mod account;
    mod compare;
    mod home;
    pub(crate) mod html;
    mod live;
    pub(crate) mod proxy;
    pub(crate) mod routes;

    use super::websocket;
}

#[path = "../../../examples/workbench"]
pub(crate) mod workbench {
    mod fields;
    mod log_in;
    mod notes;
    mod rest;
    pub(crate) mod routes;
    mod sessions;
    mod visitors;
}
