//! Forms, and the token that they need.

use actix_django_session::CsrfToken;
use actix_web::{
    HttpRequest, HttpResponse, Responder,
    http::header::CONTENT_TYPE,
    web::{Bytes, Json},
};
use serde_json::json;

use super::fields::Fields;

pub(crate) async fn csrf_token(token: CsrfToken) -> impl Responder {
    Json(json!({ "csrf_token": token.as_str() }))
}

pub(crate) async fn note(fields: Fields) -> impl Responder {
    Json(json!({ "text": fields.get("text") }))
}

/// Returns the body, byte for byte.
pub(crate) async fn echo(req: HttpRequest, body: Bytes) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(content_type) = req.headers().get(CONTENT_TYPE) {
        response.insert_header((CONTENT_TYPE, content_type.clone()));
    }
    response.body(body)
}
