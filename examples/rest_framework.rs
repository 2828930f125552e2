//! An API that answers as the Django REST framework does, with its `SessionAuthentication` and
//! `IsAuthenticated`: a 403 and `{"detail": ..}` in place of a redirect, and no check for CSRF of
//! visitors who are not logged in.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo run --example rest_framework
//! ```

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::StatusCode,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

/// What the REST framework answers, in its default language.
fn answer(error: &Error, req: &HttpRequest) -> HttpResponse {
    let detail = match error {
        Error::CsrfFailed(reason) => format!("CSRF Failed: {reason}"),
        Error::PermissionDenied => "You do not have permission to perform this action.".into(),
        // All the same, whatever was the matter: strangers are not told.
        error if error.is_rejection() => "Authentication credentials were not provided.".into(),
        // The middleware knows best: a 503, a 500.
        error => return error.default_response(req),
    };
    let body = serde_json::json!({ "detail": detail }).to_string();
    HttpResponse::build(StatusCode::FORBIDDEN).content_type("application/json").body(body)
}

async fn items(user: DjangoUser) -> HttpResponse {
    let body = serde_json::json!({ "user": user.username() }).to_string();
    HttpResponse::Ok().content_type("application/json").body(body)
}

/// Built once; every worker gets a clone of the middlewares.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let middleware =
        DjangoSessionMiddleware::login_required(site).csrf_if_logged_in().error_handler(answer);
    let staff = middleware.clone().staff_required();
    move |app| {
        app.service(web::resource("/staff").wrap(staff.clone()).to(items))
            .service(web::resource("/items").wrap(middleware.clone()).to(items));
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What goes wrong is said in the log, and nowhere else.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let settings = DjangoSettings::new(variable("DJANGO_SECRET_KEY")?)
        // As in settings.py: without it, no page of this site may send anything.
        .allowed_hosts(["localhost", "127.0.0.1"]);
    let pool = Config { url: Some(variable("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let site = DjangoSite::new(pool, settings)?;
    let routes = routes(site.clone());
    site.check().await?;
    let server = HttpServer::new(move || App::new().configure(routes.clone()))
        .bind(variable("BIND").unwrap_or_else(|_| "127.0.0.1:8080".into()))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}
