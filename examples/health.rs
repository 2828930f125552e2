//! Two routes for the supervisor of the process: `/health/live` says whether it runs, and `/health/ready`
//! whether it can serve visitors.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example health
//! ```
//!
//! Do not let the proxy expose them.

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error,
};
use actix_web::{
    App, HttpResponse, HttpServer, Responder,
    http::header::{CACHE_CONTROL, HeaderValue},
    middleware::DefaultHeaders,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

/// Checks nothing: a restart does not help while the database is unavailable.
async fn live() -> impl Responder {
    "live"
}

/// A 503 while PostgreSQL does not answer.
async fn ready(site: web::Data<DjangoSite>) -> Result<&'static str, Error> {
    site.ping().await?;
    Ok("ready")
}

async fn account(user: DjangoUser) -> HttpResponse {
    HttpResponse::Ok().body(format!("hello, {}", user.username()))
}

/// Makes the middleware once. Every worker gets a clone. The health routes
/// have no middleware, because their clients have no session.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let middleware = DjangoSessionMiddleware::login_required(site.clone());
    let site = web::Data::new(site);
    move |app| {
        let never =
            DefaultHeaders::new().add((CACHE_CONTROL, HeaderValue::from_static("no-store")));
        let health = web::scope("/health")
            .wrap(never)
            .app_data(site.clone())
            .route("/live", web::get().to(live))
            .route("/ready", web::get().to(ready));
        let account = web::resource("/account").wrap(middleware.clone()).get(account);
        app.service(health).service(account);
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
