//! Beside a Django with `SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"` and its
//! cache in Redis: each change of a session deletes the copy in Django's cache.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     REDIS_URL=redis://localhost/0 cargo example cached_db
//! ```

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, Error, SessionEngine,
    SessionKey,
};
use actix_web::{
    App, HttpServer,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use redis::AsyncCommands;
use tokio_postgres::NoTls;

/// The key in Django's cache: `KEY_PREFIX`, `VERSION` and the session key. These are Django's defaults.
pub(crate) fn cache_key(key: &SessionKey) -> String {
    format!(":1:django.contrib.sessions.cached_db{}", key.as_str())
}

async fn choose(session: DjangoSessionMut, theme: web::Path<String>) -> Result<String, Error> {
    session.insert("theme", &*theme)?;
    Ok(format!("{theme} it is\n"))
}

/// Makes the middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let middleware = DjangoSessionMiddleware::optional(site);
    move |app| {
        app.service(web::resource("/theme/{theme}").wrap(middleware.clone()).post(choose));
    }
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let mut settings = DjangoSettings::new(variable("DJANGO_SECRET_KEY")?);
    // ALLOWED_HOSTS of settings.py: without it, every form of this site fails the CSRF check.
    settings.allowed_hosts = vec!["localhost".into(), "127.0.0.1".into()];
    settings.session_engine = SessionEngine::CachedDb;
    settings.write_sessions = true;
    let pool = Config { url: Some(variable("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let cache = redis::Client::open(variable("REDIS_URL")?)?;
    // One connection for all workers. In production use one that reconnects, such as a `ConnectionManager`.
    let cache = cache.get_multiplexed_async_connection().await?;
    let site = DjangoSite::new(pool, settings)?.on_session_change(move |key| {
        let mut cache = cache.clone();
        async move { cache.del::<_, ()>(cache_key(&key)).await }
    });
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
