//! The user and the session of the visitor.

use actix_django_session::{DjangoSession, DjangoUser, DjangoUserId, Error, OptionalDjangoSession};
use actix_web::{HttpResponse, Responder, http::header::ContentType, web::Json};
use serde_json::json;

/// Behind `optional`: for all visitors.
pub(crate) async fn index(OptionalDjangoSession(session): OptionalDjangoSession) -> impl Responder {
    Json(match session {
        None => json!({ "session": false }),
        // Data that cannot be decoded names no user.
        Some(session) => json!({ "session": true, "user_id": session.user_id().unwrap_or(None) }),
    })
}

/// Behind `required`: visitors with a live session, also anonymous ones.
pub(crate) async fn session(session: DjangoSession) -> impl Responder {
    match session.data() {
        Ok(data) => {
            HttpResponse::Ok().content_type(ContentType::json()).body(data.to_json().into_owned())
        }
        Err(error) => {
            HttpResponse::UnprocessableEntity().json(json!({ "error": error.to_string() }))
        }
    }
}

/// A session that names a user.
pub(crate) async fn user(DjangoUserId(user_id): DjangoUserId) -> impl Responder {
    Json(json!({ "user_id": user_id }))
}

/// Behind `login_required`: only users whom Django calls logged in.
pub(crate) async fn account(user: DjangoUser) -> Result<impl Responder, Error> {
    Ok(Json(json!({
        "id": user.id(),
        "username": user.username(),
        "is_staff": user.is_staff(),
        "is_superuser": user.is_superuser(),
        "permissions": user.permissions().await?,
    })))
}
