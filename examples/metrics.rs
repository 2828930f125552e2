//! Counters for Prometheus, from the events of a site, without a crate for metrics.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example metrics
//! curl http://127.0.0.1:8080/metrics
//! ```
//!
//! Do not expose `/metrics`: here every client may read it.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write,
    sync::{Mutex, PoisonError},
};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Event,
};
use actix_web::{
    App, HttpResponse, HttpServer,
    http::header::ContentType,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

/// How often each event happened, by its labels. The number of labels is bounded: reasons, middlewares and
/// backends come from the code and the settings, never from a client.
static EVENTS: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

fn count(event: Event<'_>) {
    let mut labels = format!("event=\"{}\"", event.name());
    let more = [
        ("reason", event.reason()),
        ("middleware", event.middleware()),
        ("backend", event.backend()),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            // Writing to a String does not fail.
            let _ = write!(labels, ",{name}=\"{}\"", value.escape_default());
        }
    }
    *EVENTS.lock().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default() += 1;
}

async fn metrics() -> HttpResponse {
    let mut page = String::from("# TYPE django_sessions_total counter\n");
    for (labels, count) in &*EVENTS.lock().unwrap_or_else(PoisonError::into_inner) {
        let _ = writeln!(page, "django_sessions_total{{{labels}}} {count}");
    }
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(page)
}

async fn account(user: DjangoUser) -> String {
    format!("welcome, {}", user.username())
}

/// Makes the middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    // Only this handle and its clones count: make all middlewares of it.
    let site = site.on_event(count);
    let middleware = DjangoSessionMiddleware::login_required(site).name("account");
    move |app| {
        app.service(web::resource("/account").wrap(middleware.clone()).to(account))
            .route("/metrics", web::get().to(metrics));
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
