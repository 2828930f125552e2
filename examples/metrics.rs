//! Counters for Prometheus, from the events of a store: no crate for metrics is needed.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo run --example metrics
//! curl http://127.0.0.1:8080/metrics
//! ```
//!
//! Keep `/metrics` from strangers: here everybody may read it.

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

/// How often each event happened, by its labels. There are few: reasons, middlewares and backends are all
/// from the code and the settings, never from a client.
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

/// Built once; every worker gets a clone of the middleware.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let site = site.on_event(count);
    let middleware = DjangoSessionMiddleware::login_required(site).name("account");
    move |app| {
        app.service(web::resource("/account").wrap(middleware.clone()).to(account))
            .route("/metrics", web::get().to(metrics));
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What goes wrong is said in the log, and nowhere else.
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
