//! The routes and reports of the applications under test.

use actix_django_session::{DjangoSession, DjangoUserId, OptionalDjangoSession};
use actix_web::web::{self, Json, ServiceConfig};
use serde_json::{Value, json};

pub(crate) use testbed::{Answer, TestApp};

/// Adds one route for each extractor.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/nothing", web::get().to(async || "a page"))
        .route("/session", web::get().to(async |session: DjangoSession| Json(report(&session))))
        .route(
            "/optional",
            web::get()
                .to(async |session: OptionalDjangoSession| Json(session.0.as_ref().map(report))),
        )
        .route("/user", web::get().to(async |DjangoUserId(id): DjangoUserId| id))
        .route("/number", web::get().to(async |id: DjangoUserId<i64>| id.to_string()));
}

/// What a handler sees of a session; `json` is null if the session data cannot be decoded.
pub(crate) fn report(session: &DjangoSession) -> Value {
    json!({
        "key": session.key().as_str(),
        "json": session.data().ok().map(|data| data.to_json().into_owned()),
        "user_id": session.user_id().unwrap_or_default(),
    })
}
