//! # Start
//!
//! ## What to add
//!
//! ```sh
//! cargo add actix-web deadpool-postgres tokio-postgres actix-django-session
//! cargo add tracing-subscriber                      # log lines go through `tracing`
//! cargo add serde --features derive                 # for forms, and values of your own in sessions
//! cargo add serde_json futures-util                 # some of these chapters use them
//! cargo add actix-multipart actix-ws tokio          # examples with uploads, WebSockets; `tokio` with "full"
//! cargo add rustls tokio-postgres-rustls            # if the database wants TLS
//! cargo add tokio-postgres --features with-uuid-1   # and `uuid`: for your queries, if primary keys are UUIDs
//! ```
//!
//! ## The settings
//!
//! Django and this service have to agree on some thirty settings, and one that is wrong locks people
//! out. So let Django say them. In the site's folder, with its environment:
//!
//! ```sh
//! python manage.py shell -v 0 < export_settings.py > django-settings.json
//! ```
//!
//! The script is `src/settings/export_settings.py` of this crate, [here][script]; in a checkout, `cargo run
//! --example export_settings` prints it. There is no secret in the file: keys are in it as short fingerprints,
//! so that a wrong one is refused when the service starts. `docs/settings.md` says what is in it.
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
//! Of the user table, what Django itself has is read. A column of your own is read if you name it, and then
//! [`DjangoUser::get`](crate::DjangoUser::get) has it:
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
//! Fallback keys are not in the file either: put them into
//! [`secret_key_fallbacks`](crate::DjangoSettings::secret_key_fallbacks). Or set all of it by hand; every
//! setting is a field:
//!
//! | Django | here | default |
//! |---|---|---|
//! | `SECRET_KEY` | [`DjangoSettings::new`](crate::DjangoSettings::new) | required |
//! | `SECRET_KEY_FALLBACKS` | [`secret_key_fallbacks`](crate::DjangoSettings::secret_key_fallbacks) | none; an empty key is refused |
//! | `SESSION_COOKIE_NAME` | [`session_cookie_name`](crate::DjangoSettings::session_cookie_name) | `sessionid` |
//! | `SESSION_ENGINE` | [`session_engine`](crate::DjangoSettings::session_engine) | `db`; also `cached_db`, `signed_cookies` |
//! | `SESSION_COOKIE_AGE`, `_DOMAIN`, `_PATH`, `_SECURE`, `_HTTPONLY`, `_SAMESITE`, `SESSION_EXPIRE_AT_BROWSER_CLOSE`, `SESSION_SAVE_EVERY_REQUEST` | the same in lower case | Django's |
//! | `USE_TZ`, `TIME_ZONE` | [`use_tz`](crate::DjangoSettings::use_tz), [`time_zone`](crate::DjangoSettings::time_zone) | `true`, `America/Chicago` |
//! | | [`write_sessions`](crate::DjangoSettings::write_sessions) | `false`: nothing is written, so nothing slides either |
//! | | [`session_save_interval`](crate::DjangoSettings::session_save_interval) | one second; a sixtieth of the life of a session that lives for less than a minute |
//! | `LOGIN_URL` | [`login_url`](crate::DjangoSettings::login_url); with `i18n_patterns`, [`login_url_for`](crate::DjangoSessionMiddleware::login_url_for) of the middleware | `/accounts/login/`; a URL, not the name of one |
//! | `LOGIN_REDIRECT_URL`, `LOGOUT_REDIRECT_URL` | the same in lower case | `/accounts/profile/`, none |
//! | `MESSAGE_STORAGE`, `MESSAGE_LEVEL`, `MESSAGE_TAGS` | the same in lower case | Django's |
//! | `FORCE_SCRIPT_NAME` | [`force_script_name`](crate::DjangoSettings::force_script_name) | none |
//! | `REDIRECT_FIELD_NAME` | [`redirect_field_name`](crate::DjangoSessionMiddleware::redirect_field_name) of the middleware | `next` |
//! | `AUTH_USER_MODEL` | [`user_model`](crate::DjangoSettings::user_model): its table and columns | `auth.User` |
//! | `AUTHENTICATION_BACKENDS` | [`authentication_backends`](crate::DjangoSettings::authentication_backends) | `ModelBackend` |
//! | `PASSWORD_HASHERS` | [`password_hashers`](crate::DjangoSettings::password_hashers): with their parameters | Django 5.2's; nothing is upgraded |
//! | `USE_X_FORWARDED_HOST` | [`use_x_forwarded_host`](crate::DjangoSettings::use_x_forwarded_host) | `false` |
//! | `USE_X_FORWARDED_PORT` | [`use_x_forwarded_port`](crate::DjangoSettings::use_x_forwarded_port) | `false` |
//! | `ALLOWED_HOSTS` | [`allowed_hosts`](crate::DjangoSettings::allowed_hosts) | none: then only trusted origins may send forms |
//! | `CSRF_COOKIE_NAME`, `_AGE`, `_DOMAIN`, `_PATH`, `_SAMESITE`, `_SECURE`, `_HTTPONLY`, `CSRF_HEADER_NAME`, `CSRF_TRUSTED_ORIGINS`, `CSRF_USE_SESSIONS` | the same in lower case | Django's |
//! | `DATA_UPLOAD_MAX_MEMORY_SIZE`, `_NUMBER_FIELDS`, `_NUMBER_FILES` | the same in lower case | 2.5 MiB, 1000, 100 |
//! | `FILE_UPLOAD_TEMP_DIR` | [`file_upload_temp_dir`](crate::DjangoSettings::file_upload_temp_dir) | the system's |
//! | | [`form_timeout`](crate::DjangoSettings::form_timeout), [`max_form_memory`](crate::DjangoSettings::max_form_memory), [`max_form_spool`](crate::DjangoSettings::max_form_spool) | 60 seconds, 64 MiB, 1 GiB |
//! | `SECURE_PROXY_SSL_HEADER` | [`secure_proxy_ssl_header`](crate::DjangoSettings::secure_proxy_ssl_header) | none |
//! | the table of the session model | [`session_table`](crate::DjangoSettings::session_table) | `django_session` |
//! | `SessionStore.key_salt` | [`session_key_salt`](crate::DjangoSettings::session_key_salt) | that of every store of Django's own |
//! | | [`timeout`](crate::DjangoSettings::timeout) | 5 seconds |
//! | | [`max_connections`](crate::DjangoSettings::max_connections) | 32 |
//! | | [`prepared_statements`](crate::DjangoSettings::prepared_statements) | `true` |
//! | | [`max_decompressed_size`](crate::DjangoSettings::max_decompressed_size) | 16 MiB |
//! | `max_age` of `signing.loads` | [`session_data_max_age`](crate::DjangoSettings::session_data_max_age) | none, as for Django's sessions |
//!
//! ## The pool
//!
//! The pool says which database it is, and how to reach it:
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
//! | to have | do |
//! |---|---|
//! | tables that are not in `public` | name the schema, `settings.session_table = "web.django_session".into()`, or (not behind PgBouncer) end the URL with `?options=-csearch_path%3Dweb`. A `SET search_path` in a hook of the pool does not reach the site |
//! | a role that may only read | see [In production](super::production) |
//! | a pool for your own queries | any size: the site takes none of its connections |
//!
//! ### TLS
//!
//! With `sslmode=require` PostgreSQL's certificate is not looked at by many clients. A rustls
//! connector always checks it, as `sslmode=verify-full` does elsewhere. That word and `sslrootcert` are
//! errors in a URL here: leave them out.
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
//!     // Without `Require`, a server that offers no TLS would be spoken to without.
//!     Config { url: Some(url), ssl_mode: Some(SslMode::Require), ..Config::default() }
//!         .create_pool(Some(Runtime::Tokio1), MakeRustlsConnect::new(tls))
//! }
//! ```
//!
//! The roots: the certificate of your own authority, which `examples/tls.rs` reads from a file, or those
//! that browsers trust, in the crate `webpki-roots`.
//!
//! ### The site's own connections
//!
//! The site makes connections of its own from what the pool knows: host, TLS, credentials, options. It
//! touches none of the pool's, so neither an exhausted pool nor what a handler leaves behind on a
//! connection reaches a look-up.
//!
//! There are at most [`max_connections`](crate::DjangoSettings::max_connections) of them in the process,
//! 32 by default, everything included. Each worker (each tokio runtime that asks) opens them when it needs
//! them, and closes them after a minute without use; none is older than half an hour. A worker usually has
//! one for all who read sessions, one beside it behind `login_required`, and one or two more where
//! it writes. Where there are fewer than the workers need, they stand in one line, and a worker that does
//! not need its own gives it up for the next.
//!
//! What waits for a lock takes no more than a part of them: whichever table is locked, an eighth is left to
//! all that does not need it; those who write one row take a single one. What meets a lock for a
//! twentieth of a second (an eightieth of a timeout of more than 4 seconds) gives its connection to others,
//! and asks again a moment later.
//!
//! In `pg_stat_activity` they are called `actix-django-session`, unless the pool's configuration has an
//! `application_name`.
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
//! // What is wrong shows here, not to the first visitor. After the middlewares: they say what they will read.
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
//! Build middlewares once, outside `HttpServer::new`, and clone them into it. Of several `.wrap()`s the last
//! one added runs first: add a logger or CORS after the middleware, and it is around it.
//!
//! Then [move one endpoint](super::move_one_endpoint).
//!
//! [script]: https://docs.rs/crate/actix-django-session/latest/source/src/settings/export_settings.py
