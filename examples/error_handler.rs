//! JSON errors of your own for an API.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo run --example error_handler
//! curl -i http://127.0.0.1:8080/api/items
//! ```

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoUser, Error, SessionStore,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Responder, ResponseError,
    http::header::RETRY_AFTER, web,
};
use deadpool_postgres::{Config, Runtime};
use serde_json::json;
use tokio_postgres::NoTls;

async fn items(user: DjangoUser) -> impl Responder {
    web::Json(json!({ "items_of": user.username() }))
}

/// What clients see. The log has the cause already; they need not know it.
fn json_error(error: &Error, _req: &HttpRequest) -> HttpResponse {
    let (code, message) = match error {
        Error::Unavailable(_) => ("unavailable", "Please try again in a moment."),
        Error::PermissionDenied => ("forbidden", "You may not do this."),
        error if error.is_rejection() => ("not_logged_in", "Please log in."),
        _ => ("internal", "Something went wrong here."),
    };
    let mut response = HttpResponse::build(error.status_code());
    if let Error::Unavailable(_) = error {
        response.insert_header((RETRY_AFTER, "1"));
    }
    response.json(json!({ "code": code, "message": message }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = DjangoSettings::new(env::var("DJANGO_SECRET_KEY")?);
    let pool = Config { url: Some(env::var("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let store = SessionStore::new(pool, settings)?;
    let gate = DjangoSessionMiddleware::login_required(store.clone()).error_handler(json_error);
    store.check().await?;

    println!("listening on http://127.0.0.1:8080");
    HttpServer::new(move || {
        App::new()
            .service(web::scope("/api").wrap(gate.clone()).route("/items", web::get().to(items)))
    })
    .bind("127.0.0.1:8080")?
    .run()
    .await?;
    Ok(())
}
