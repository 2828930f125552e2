//! Sessions that change.

use actix_django_session::{DjangoSessionMut, Error as SessionError, Expiry};
use actix_web::{Error, HttpResponse, Responder, web::Json};
use serde_json::json;

use super::fields::Fields;

pub(crate) async fn add_to_cart(
    session: DjangoSessionMut,
    fields: Fields,
) -> Result<impl Responder, Error> {
    let item = fields.integer("item")?;
    session.update("cart", move |cart: &mut Vec<i64>| cart.push(item))?;
    // Saved now, so that the response has what was stored.
    session.save().await?;
    Ok(Json(json!({ "cart": session.get::<Vec<i64>>("cart")? })))
}

pub(crate) async fn remove_cart(session: DjangoSessionMut) -> Result<impl Responder, SessionError> {
    session.remove("cart");
    Ok(Json(json!({ "removed": true })))
}

pub(crate) async fn set_expiry(
    session: DjangoSessionMut,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let expiry = match fields.get("seconds") {
        None | Some("") => Expiry::Default,
        Some(_) => Expiry::Seconds(fields.integer("seconds")?),
    };
    session.set_expiry(expiry)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn cycle_key(session: DjangoSessionMut) -> HttpResponse {
    session.cycle_key();
    HttpResponse::NoContent().finish()
}
