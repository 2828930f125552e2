//! Endpoints of the REST framework, with the site's classes.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, OptionalDjangoUser, RestAuth, RestScheme,
};
use actix_web::{
    HttpResponse,
    http::Method,
    web::{self, ServiceConfig},
};
use serde_json::json;

async fn describe(user: OptionalDjangoUser, auth: RestAuth) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "user_id": user.0.as_ref().map(|user| user.id()),
        "by": auth.scheme().map(RestScheme::name),
    }))
}

pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let methods = [Method::GET, Method::POST, Method::DELETE];
    let me = DjangoSessionMiddleware::rest_framework(site).methods(methods);
    let views = [
        ("/rest/me", me.clone()),
        ("/rest/open", me.clone().allow_any()),
        ("/rest/staff", me.clone().is_admin_user()),
        ("/rest/read", me.is_authenticated_or_read_only()),
    ];
    move |app| {
        for (path, view) in &views {
            app.service(web::resource(*path).wrap(view.clone()).to(describe));
        }
    }
}
