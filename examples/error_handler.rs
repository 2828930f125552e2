//! JSON errors of your own for an API.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example error_handler
//! curl -i http://127.0.0.1:8080/api/items
//! ```

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Responder, ResponseError,
    http::{StatusCode, header::RETRY_AFTER},
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use serde_json::json;
use tokio_postgres::NoTls;

async fn items(user: DjangoUser) -> impl Responder {
    web::Json(json!({ "items_of": user.username() }))
}

/// What clients see. The log already has the cause.
fn json_error(error: &Error, _req: &HttpRequest) -> HttpResponse {
    let status = error.status_code();
    let (code, message) = match error {
        error if error.wants_login() => ("not_logged_in", "Please log in."),
        Error::CsrfFailed(_) => ("csrf", "Please load the page again."),
        Error::PermissionDenied => ("forbidden", "You may not do this."),
        _ if status == StatusCode::SERVICE_UNAVAILABLE => {
            ("unavailable", "Please try again in a moment.")
        }
        _ if status.is_client_error() => ("bad_request", "This request cannot be understood."),
        _ => ("internal", "Something went wrong here."),
    };
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((RETRY_AFTER, "1"));
    }
    response.json(json!({ "code": code, "message": message }))
}

/// Makes the middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let middleware = DjangoSessionMiddleware::login_required(site).error_handler(json_error);
    move |app| {
        app.service(
            web::scope("/api").wrap(middleware.clone()).route("/items", web::get().to(items)),
        );
    }
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let settings = DjangoSettings::new(variable("DJANGO_SECRET_KEY")?);
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
