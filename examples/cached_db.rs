//! Beside a Django with `SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"` and its
//! cache in Redis: whoever changes a session deletes the copy that Django has in its cache.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     REDIS_URL=redis://localhost/0 cargo run --example cached_db
//! ```

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, Error, SessionEngine, SessionKey,
    SessionStore,
};
use actix_web::{App, HttpServer, web};
use deadpool_postgres::{Config, Runtime};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tokio_postgres::NoTls;

/// The key in Django's cache: `KEY_PREFIX`, `VERSION` and the session's, as `settings.py` has them.
/// These are Django's defaults.
fn cache_key(key: &SessionKey) -> String {
    format!(":1:django.contrib.sessions.cached_db{}", key.as_str())
}

async fn forget(mut cache: MultiplexedConnection, key: SessionKey) -> redis::RedisResult<()> {
    cache.del(cache_key(&key)).await
}

async fn choose(session: DjangoSessionMut, theme: web::Path<String>) -> Result<String, Error> {
    session.insert("theme", &*theme)?;
    Ok(format!("{theme} it is\n"))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = DjangoSettings::new(env::var("DJANGO_SECRET_KEY")?)
        .session_engine(SessionEngine::CachedDb)
        .writes_sessions(true);
    let pool = Config { url: Some(env::var("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let cache = redis::Client::open(env::var("REDIS_URL")?)?;
    // One connection for all; it should be one that connects again, such as a `ConnectionManager`.
    let cache = cache.get_multiplexed_async_connection().await?;
    let store =
        SessionStore::new(pool, settings)?.on_session_change(move |key| forget(cache.clone(), key));
    store.check().await?;
    let gate = DjangoSessionMiddleware::optional(store);

    println!("listening on http://127.0.0.1:8080");
    HttpServer::new(move || {
        App::new().wrap(gate.clone()).route("/theme/{theme}", web::post().to(choose))
    })
    .bind("127.0.0.1:8080")?
    .run()
    .await?;
    Ok(())
}
