//! # Start
//!
//! ## What to add
//!
//! ```sh
//! cargo add actix-web deadpool-postgres tokio-postgres actix-django-session
//! cargo add tracing-subscriber                      # log lines go through `tracing`
//! cargo add serde --features derive                 # for forms, and values of your own in sessions
//! cargo add serde_json futures-util                 # some chapters use them
//! cargo add actix-multipart actix-ws tokio          # examples with uploads, WebSockets; `tokio` with "full"
//! cargo add rustls tokio-postgres-rustls            # if the database wants TLS
//! cargo add tokio-postgres --features with-uuid-1   # and `uuid`: for your queries, if primary keys are UUIDs
//! ```
//!
//! ## The settings
//!
//! Django and this service have to agree on some thirty settings. One wrong setting can log every visitor out.
//! So let Django write them into a file. Run this in the folder of the site, with the site's environment:
//!
//! ```sh
//! python manage.py shell -v 0 < export_settings.py > django-settings.json
//! ```
//!
//! The script is `src/settings/export_settings.py` of this crate, [here][script]. In a checkout,
//! `cargo example export_settings` prints it. The file contains no secret. It contains a short fingerprint of each key,
//! so that the service refuses to start with a wrong key. `docs/settings.md` describes the file.
//!
//! ```no_run
//! use actix_django_session::DjangoSettings;
//!
//! fn settings() -> Result<DjangoSettings, Box<dyn std::error::Error>> {
//!     let file = "django-settings.json";
//!     let json = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
//!     let secret_key = std::env::var("DJANGO_SECRET_KEY").map_err(|_| "no DJANGO_SECRET_KEY")?;
//!     Ok(DjangoSettings::from_json(&json, secret_key)?)
//! }
//! ```
//!
//! The service reads the columns that Django's own user model has. To read a column of your own, name it.
//! [`DjangoUser::get`](crate::DjangoUser::get) then returns its value:
//!
//! ```
//! use actix_django_session::{DjangoSettings, DjangoUser, Error};
//!
//! fn with_own_columns(mut settings: DjangoSettings) -> DjangoSettings {
//!     settings.user_model.columns = vec!["is_verified".into()];
//!     settings
//! }
//!
//! async fn page(user: DjangoUser) -> Result<String, Error> {
//!     let is_verified: bool = user.get("is_verified")?;
//!     Ok(format!("{}: {is_verified}", user.username()))
//! }
//! ```
//!
//! The file does not contain the fallback keys either. Put them into
//! [`secret_key_fallbacks`](crate::DjangoSettings::secret_key_fallbacks).
//!
//! You can also set everything by hand. Every setting is a field, and `None` is Python's `None`.
//! [`DjangoSite::new`](crate::DjangoSite::new) reports every mistake at once:
//!
//! | Django | here | default |
//! |---|---|---|
//! | `SECRET_KEY` | [`DjangoSettings::new`](crate::DjangoSettings::new) | required |
//! | `SECRET_KEY_FALLBACKS` | [`secret_key_fallbacks`](crate::DjangoSettings::secret_key_fallbacks) | none; an empty key is refused |
//! | `SESSION_COOKIE_NAME` | [`session_cookie_name`](crate::DjangoSettings::session_cookie_name) | `sessionid` |
//! | `SESSION_ENGINE` | [`session_engine`](crate::DjangoSettings::session_engine) | `db`; also `cached_db`, `signed_cookies` |
//! | `SESSION_COOKIE_AGE`, `_DOMAIN`, `_PATH`, `_SECURE`, `_HTTPONLY`, `_SAMESITE`, `SESSION_EXPIRE_AT_BROWSER_CLOSE`, `SESSION_SAVE_EVERY_REQUEST` | the same in lower case | Django's |
//! | `USE_TZ`, `TIME_ZONE` | [`use_tz`](crate::DjangoSettings::use_tz), [`time_zone`](crate::DjangoSettings::time_zone) | `true`, `America/Chicago` |
//! | | [`write_sessions`](crate::DjangoSettings::write_sessions) | `false`: the service writes nothing, so it does not extend sessions either |
//! | | [`session_save_interval`](crate::DjangoSettings::session_save_interval) | one second; for a session that lives for less than a minute, a sixtieth of its life |
//! | `LOGIN_URL` | [`login_url`](crate::DjangoSettings::login_url); with `i18n_patterns`, [`login_url_for`](crate::DjangoSessionMiddleware::login_url_for) of the middleware | `/accounts/login/`; a URL, not the name of one |
//! | `LOGIN_REDIRECT_URL`, `LOGOUT_REDIRECT_URL` | the same in lower case | `/accounts/profile/`, none |
//! | `MESSAGE_STORAGE`, `MESSAGE_LEVEL`, `MESSAGE_TAGS` | the same in lower case | Django's |
//! | `FORCE_SCRIPT_NAME` | [`force_script_name`](crate::DjangoSettings::force_script_name) | none |
//! | `REDIRECT_FIELD_NAME` | [`redirect_field_name`](crate::DjangoSessionMiddleware::redirect_field_name) of the middleware | `next` |
//! | `AUTH_USER_MODEL` | [`user_model`](crate::DjangoSettings::user_model): its table and columns | `auth.User` |
//! | `AUTHENTICATION_BACKENDS` | [`authentication_backends`](crate::DjangoSettings::authentication_backends) | `ModelBackend` |
//! | `PASSWORD_HASHERS` | [`password_hashers`](crate::DjangoSettings::password_hashers), with their parameters | those of Django 5.2; old encodings are not upgraded |
//! | `USE_X_FORWARDED_HOST` | [`use_x_forwarded_host`](crate::DjangoSettings::use_x_forwarded_host) | `false` |
//! | `USE_X_FORWARDED_PORT` | [`use_x_forwarded_port`](crate::DjangoSettings::use_x_forwarded_port) | `false` |
//! | `ALLOWED_HOSTS` | [`allowed_hosts`](crate::DjangoSettings::allowed_hosts) | empty: only forms from trusted origins pass the CSRF check |
//! | `CSRF_COOKIE_NAME`, `_AGE`, `_DOMAIN`, `_PATH`, `_SAMESITE`, `_SECURE`, `_HTTPONLY`, `CSRF_HEADER_NAME`, `CSRF_TRUSTED_ORIGINS`, `CSRF_USE_SESSIONS` | the same in lower case | Django's |
//! | `DATA_UPLOAD_MAX_MEMORY_SIZE`, `_NUMBER_FIELDS`, `_NUMBER_FILES` | the same in lower case | 2.5 MiB, 1000, 100 |
//! | `FILE_UPLOAD_TEMP_DIR` | [`file_upload_temp_dir`](crate::DjangoSettings::file_upload_temp_dir) | the system's |
//! | | [`form_timeout`](crate::DjangoSettings::form_timeout), [`max_form_memory`](crate::DjangoSettings::max_form_memory), [`max_form_spool`](crate::DjangoSettings::max_form_spool) | 60 seconds, 64 MiB, 1 GiB |
//! | `SECURE_PROXY_SSL_HEADER` | [`secure_proxy_ssl_header`](crate::DjangoSettings::secure_proxy_ssl_header) | none |
//! | the table of the session model | [`session_table`](crate::DjangoSettings::session_table) | `django_session` |
//! | `SessionStore.key_salt` | [`session_key_salt`](crate::DjangoSettings::session_key_salt) | that of Django's own session engines |
//! | | [`timeout`](crate::DjangoSettings::timeout) | 5 seconds |
//! | | [`max_connections`](crate::DjangoSettings::max_connections) | 32 |
//! | | [`prepared_statements`](crate::DjangoSettings::prepared_statements) | `true` |
//! | | [`max_decompressed_size`](crate::DjangoSettings::max_decompressed_size) | 16 MiB |
//! | `max_age` of `signing.loads` | [`session_data_max_age`](crate::DjangoSettings::session_data_max_age) | none, as for Django's sessions |
//!
//! ## The pool
//!
//! The pool says which database to use, and how to connect to it:
//!
//! ```no_run
//! use deadpool_postgres::{Config, CreatePoolError, Pool, Runtime};
//! use tokio_postgres::NoTls;
//!
//! fn pool(url: String) -> Result<Pool, CreatePoolError> {
//!     Config { url: Some(url), ..Config::default() }.create_pool(Some(Runtime::Tokio1), NoTls)
//! }
//! ```
//!
//! | you need | do this |
//! |---|---|
//! | tables outside the schema `public` | name the schema, `settings.session_table = "web.django_session".into()`, or, without PgBouncer, end the URL with `?options=-csearch_path%3Dweb`. A `SET search_path` in a hook of the pool has no effect on the site |
//! | a role that may only read | see [In production](super::production) |
//! | a pool for your own queries | choose any size: the site uses none of its connections |
//!
//! ### TLS
//!
//! With `sslmode=require`, many clients do not verify PostgreSQL's certificate. A rustls connector always
//! verifies it, as `sslmode=verify-full` does elsewhere. `verify-full` and `sslrootcert` are errors in a URL here:
//! leave them out.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use deadpool_postgres::{Config, CreatePoolError, Pool, Runtime, SslMode};
//! use rustls::{ClientConfig, RootCertStore};
//! use tokio_postgres_rustls::MakeRustlsConnect;
//!
//! fn pool(url: String, roots: RootCertStore) -> Result<Pool, CreatePoolError> {
//!     let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
//!     // Without `Require`, the connection is not encrypted if the server offers no TLS.
//!     Config { url: Some(url), ssl_mode: Some(SslMode::Require), ..Config::default() }
//!         .create_pool(Some(Runtime::Tokio1), MakeRustlsConnect::new(tls))
//! }
//! ```
//!
//! The roots are the certificate of your own authority, which `examples/tls.rs` reads from a file, or the
//! certificates that browsers trust, from the crate `webpki-roots`.
//!
//! ### The site's own connections
//!
//! The site opens its own connections with the host, TLS, credentials and options of the pool. It never uses a
//! connection of the pool. So neither an exhausted pool nor the state that a handler leaves on a connection
//! affects the site.
//!
//! [`max_connections`](crate::DjangoSettings::max_connections) bounds all connections that the site has in the
//! process; the default is 32.
//!
//! | | connections of the site |
//! |---|---|
//! | opened | when a worker (a tokio runtime that queries) needs one |
//! | closed | after a minute without use (a further one of the same worker after 10 seconds), and after half an hour at the latest |
//! | per worker | usually one for sessions, one more for `login_required`, and one or two more for writing |
//! | fewer than the workers need | workers wait in one queue; a worker that does not need its connection passes it on |
//!
//! A locked table cannot take all connections: queries that wait for locks leave at least an eighth to the
//! others, and queries that write the same row use one connection together. A query that waits for a lock for an
//! eightieth of the `timeout` (62.5 milliseconds by default, at least 50) gives its connection to other queries,
//! and is repeated a moment later.
//!
//! In `pg_stat_activity` the connections are called `actix-django-session`, unless the configuration of the pool
//! has an `application_name`.
//!
//! ## The first middleware
//!
//! ```no_run
//! use actix_django_session::{DjangoSessionMiddleware, DjangoSettings, DjangoUser, DjangoSite};
//! use actix_web::{App, HttpServer, Responder, web};
//!
//! async fn dashboard(user: DjangoUser) -> impl Responder {
//!     format!("Hello, {}", user.username())
//! }
//!
//! # async fn serve(pool: deadpool_postgres::Pool, settings: DjangoSettings) -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = DjangoSite::new(pool, settings)?;
//! let middleware = DjangoSessionMiddleware::login_required(sessions.clone());
//! // Reports mistakes at start-up. Call it after you made the middlewares: they decide which tables it checks.
//! println!("{}", sessions.check().await?);
//!
//! HttpServer::new(move || {
//!     App::new().service(
//!         web::scope("/app").wrap(middleware.clone()).route("/dashboard", web::get().to(dashboard)),
//!     )
//! })
//! .bind("127.0.0.1:8080")?
//! .run()
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Build each middleware once, outside `HttpServer::new`, and clone it into the closure. actix runs the `.wrap()`
//! that was added last first: add a logger or CORS after this middleware, so that they also see its answers.
//!
//! Then [move one endpoint](super::move_one_endpoint).
//!
//! [script]: https://docs.rs/crate/actix-django-session/latest/source/src/settings/export_settings.py
