//! An API that answers as the Django REST framework does, with its `SessionAuthentication` and
//! `IsAuthenticated`: a 403 and `{"detail": ..}` in place of a redirect, and no check for CSRF of
//! visitors who are not logged in.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo run --example rest_framework
//! ```

use std::{env, io};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoUser, Error, SessionStore,
};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

/// What the REST framework answers, in its default language.
fn answer(error: &Error, req: &HttpRequest) -> HttpResponse {
    let detail = match error {
        Error::CsrfFailed(reason) => format!("CSRF Failed: {reason}"),
        Error::PermissionDenied => "You do not have permission to perform this action.".into(),
        // All the same, whatever was the matter: strangers are not told.
        error if error.is_rejection() => "Authentication credentials were not provided.".into(),
        // The gate knows best: a 503, a 500.
        error => return error.gate_response(req),
    };
    let body = serde_json::json!({ "detail": detail }).to_string();
    HttpResponse::build(StatusCode::FORBIDDEN).content_type("application/json").body(body)
}

async fn items(user: DjangoUser) -> HttpResponse {
    let body = serde_json::json!({ "user": user.username() }).to_string();
    HttpResponse::Ok().content_type("application/json").body(body)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = DjangoSettings::new(variable("DJANGO_SECRET_KEY")?);
    let pool = Config { url: Some(variable("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let store = SessionStore::new(pool, settings)?;
    store.check().await?;

    let gate =
        DjangoSessionMiddleware::login_required(store).csrf_if_logged_in().error_handler(answer);
    let server = HttpServer::new(move || {
        let staff = web::resource("/staff").wrap(gate.clone().staff_required()).to(items);
        App::new().service(staff).service(web::resource("/items").wrap(gate.clone()).to(items))
    })
    .bind(variable("BIND").unwrap_or_else(|_| "127.0.0.1:8080".into()))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|_| io::Error::other(format!("the environment has no {name}")))
}
