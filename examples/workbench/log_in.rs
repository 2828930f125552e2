//! Login and logout.

use actix_django_session::{DjangoSessionMut, DjangoSite, Error};
use actix_web::{HttpResponse, web::Data};
use serde_json::json;

use super::fields::Fields;

pub(crate) async fn log_in(
    session: DjangoSessionMut,
    site: Data<DjangoSite>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let field = |name| fields.get(name).unwrap_or_default();
    match site.authenticate(field("username"), field("password")).await? {
        Some(user) => {
            session.login(&user).await?;
            Ok(HttpResponse::Ok().json(json!({ "user_id": user.id() })))
        }
        None => Ok(HttpResponse::Unauthorized().json(json!({ "user_id": null }))),
    }
}

pub(crate) async fn log_out(session: DjangoSessionMut) -> Result<HttpResponse, Error> {
    session.logout().await?;
    Ok(HttpResponse::NoContent().finish())
}
