//! A small service beside a Django site that says who the visitor is.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example whoami
//! ```
//!
//! Also read: `DJANGO_SECRET_KEY_FALLBACKS` (comma-separated), `BIND` (default `127.0.0.1:8080`),
//! `WORKERS` (default one for each processor), `MAX_CONNECTIONS` to PostgreSQL, and
//! `DJANGO_SETTINGS`, the path of what `export_settings` printed inside the site. Without that file:
//! `AUTHENTICATION_BACKENDS` (comma-separated), `AUTH_USER_TABLE`, `SESSION_COOKIE_NAME` and
//! `LOGIN_URL`.

use std::{env, fs};

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, DjangoUserId,
    Error, OptionalDjangoSession, UserModel,
};
use actix_web::{
    App, HttpResponse, HttpServer, Responder,
    http::header::ContentType,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use serde_json::json;
use tokio_postgres::NoTls;

/// Behind `optional`: for all visitors.
async fn index(OptionalDjangoSession(session): OptionalDjangoSession) -> impl Responder {
    web::Json(match session {
        None => json!({ "session": false }),
        // Data that cannot be decoded names no user.
        Some(session) => json!({ "session": true, "user_id": session.user_id().unwrap_or(None) }),
    })
}

/// Behind `required`: visitors with a live session, also anonymous ones.
async fn session(session: DjangoSession) -> impl Responder {
    match session.data() {
        Ok(data) => {
            HttpResponse::Ok().content_type(ContentType::json()).body(data.to_json().into_owned())
        }
        Err(error) => {
            HttpResponse::UnprocessableEntity().json(json!({ "error": error.to_string() }))
        }
    }
}

/// A session that names a user.
async fn user(DjangoUserId(user_id): DjangoUserId) -> impl Responder {
    web::Json(json!({ "user_id": user_id }))
}

/// Behind `login_required`: only users whom Django calls logged in.
async fn account(user: DjangoUser) -> Result<impl Responder, Error> {
    Ok(web::Json(json!({
        "id": user.id(),
        "username": user.username(),
        "is_staff": user.is_staff(),
        "is_superuser": user.is_superuser(),
        "permissions": user.permissions().await?,
    })))
}

/// Makes each middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let optional = DjangoSessionMiddleware::optional(site.clone());
    let required = DjangoSessionMiddleware::required(site.clone());
    let api = required.clone().respond_401();
    let login_required = DjangoSessionMiddleware::login_required(site);
    move |app| {
        let sessions = web::scope("")
            .wrap(required.clone())
            .route("/session", web::get().to(session))
            .route("/user", web::get().to(user));
        app.service(web::resource("/").wrap(optional.clone()).get(index))
            .service(web::scope("/api").wrap(api.clone()).route("/user", web::get().to(user)))
            .service(web::resource("/account").wrap(login_required.clone()).get(account))
            .service(sessions);
    }
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    // An empty variable counts as unset.
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let settings = settings(variable)?;
    let url = Some(variable("DATABASE_URL").ok_or("DATABASE_URL is not set")?);
    let pool = Config { url, ..Config::default() }.create_pool(Some(Runtime::Tokio1), NoTls)?;
    let site = DjangoSite::new(pool, settings)?;

    let routes = routes(site.clone());
    // After the middlewares, because they decide which tables it checks. A fault may be repaired while the
    // service runs; until then the response is a 503.
    match site.check().await {
        Ok(report) => eprintln!("{report}"),
        Err(Error::CheckFailed(report)) => eprintln!("{report}"),
        Err(error) => eprintln!("{}", error.chain()),
    }

    let mut server = HttpServer::new(move || App::new().configure(routes.clone()));
    if let Some(workers) = variable("WORKERS") {
        server = server.workers(workers.parse()?);
    }
    let server = server.bind(variable("BIND").unwrap_or_else(|| "127.0.0.1:8080".into()))?;

    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}

/// The exported settings, or those in single variables.
pub(crate) fn settings(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<DjangoSettings, Box<dyn std::error::Error>> {
    let secret_key = variable("DJANGO_SECRET_KEY").ok_or("DJANGO_SECRET_KEY is not set")?;
    let mut settings = match variable("DJANGO_SETTINGS") {
        Some(path) => {
            let json = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            DjangoSettings::from_json(&json, secret_key)?
        }
        None => by_variables(DjangoSettings::new(secret_key), &variable),
    };
    if let Some(connections) = variable("MAX_CONNECTIONS") {
        settings.max_connections = connections.parse()?;
    }
    settings.secret_key_fallbacks = list(variable("DJANGO_SECRET_KEY_FALLBACKS"));
    Ok(settings)
}

fn by_variables(
    mut settings: DjangoSettings,
    variable: impl Fn(&str) -> Option<String>,
) -> DjangoSettings {
    if let Some(name) = variable("SESSION_COOKIE_NAME") {
        settings.session_cookie_name = name;
    }
    if let Some(url) = variable("LOGIN_URL") {
        settings.login_url = url;
    }
    if let Some(table) = variable("AUTH_USER_TABLE") {
        settings.user_model = UserModel::new(table);
    }
    if let Some(backends) = variable("AUTHENTICATION_BACKENDS") {
        settings.authentication_backends = list(Some(backends));
    }
    settings
}

/// A comma-separated list; `None` is an empty list.
fn list<T: for<'a> From<&'a str>>(text: Option<String>) -> Vec<T> {
    let items = text.unwrap_or_default();
    items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Into::into).collect()
}
