//! A small service beside a Django site: who is this visitor?
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo run --example whoami
//! ```
//!
//! Also read: `DJANGO_SECRET_KEY_FALLBACKS` (comma-separated), `BIND` (default `127.0.0.1:8080`), and
//! `DJANGO_SETTINGS`, the path of what `export_settings` printed inside the site. Without that file:
//! `AUTHENTICATION_BACKENDS` (comma-separated), `AUTH_USER_TABLE`, `SESSION_COOKIE_NAME` and
//! `LOGIN_URL`.

use std::{env, fs, io};

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSettings, DjangoUser, DjangoUserId, Error,
    OptionalDjangoSession, SessionStore, UserModel,
};
use actix_web::{App, HttpResponse, HttpServer, Responder, http::header::ContentType, web};
use deadpool_postgres::{Config, Runtime};
use serde_json::json;
use tokio_postgres::NoTls;

/// Behind `optional`: for everybody.
async fn index(OptionalDjangoSession(session): OptionalDjangoSession) -> impl Responder {
    web::Json(match session {
        None => json!({ "session": false }),
        // Data that cannot be decoded names nobody.
        Some(session) => json!({ "session": true, "user_id": session.user_id().unwrap_or(None) }),
    })
}

/// Behind `required`: whoever has a live session, even if nobody is logged in to it.
async fn session(session: DjangoSession) -> impl Responder {
    match session.data() {
        Ok(data) => {
            HttpResponse::Ok().content_type(ContentType::json()).body(data.as_json().into_owned())
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

/// Behind `login_required`: only whom Django would call logged in.
async fn account(user: DjangoUser) -> Result<impl Responder, Error> {
    Ok(web::Json(json!({
        "id": user.id(),
        "username": user.username(),
        "is_staff": user.is_staff(),
        "is_superuser": user.is_superuser(),
        "permissions": user.permissions().await?,
    })))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings()?;
    let pool = Config { url: Some(required("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let store = SessionStore::new(pool, settings)?;

    // Built once: every worker gets a clone.
    let optional_session = DjangoSessionMiddleware::optional(store.clone());
    let required_session = DjangoSessionMiddleware::required(store.clone());
    let api = DjangoSessionMiddleware::required(store.clone()).unauthorized();
    let login_required = DjangoSessionMiddleware::login_required(store.clone());
    // After the gates, so that it knows which tables they read. What is wrong now may be mended
    // while the service runs; until then the answer is a 503.
    match store.check().await {
        Ok(report) => eprintln!("{report}"),
        Err(Error::CheckFailed(report)) => eprintln!("{report}"),
        Err(error) => eprintln!("{}", error.chain()),
    }

    let server = HttpServer::new(move || {
        App::new()
            .service(web::resource("/").wrap(optional_session.clone()).route(web::get().to(index)))
            .service(web::scope("/api").wrap(api.clone()).route("/user", web::get().to(user)))
            .service(
                web::resource("/account")
                    .wrap(login_required.clone())
                    .route(web::get().to(account)),
            )
            .service(
                web::scope("")
                    .wrap(required_session.clone())
                    .route("/session", web::get().to(session))
                    .route("/user", web::get().to(user)),
            )
    })
    .bind(optional("BIND").unwrap_or_else(|| "127.0.0.1:8080".into()))?;

    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}

/// What the site exported, or what the single variables say.
fn settings() -> Result<DjangoSettings, Box<dyn std::error::Error>> {
    let secret_key = required("DJANGO_SECRET_KEY")?;
    let settings = match optional("DJANGO_SETTINGS") {
        Some(path) => {
            let json = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            DjangoSettings::from_json(&json, secret_key)?
        }
        None => by_variables(DjangoSettings::new(secret_key)),
    };
    Ok(settings.secret_key_fallbacks(list("DJANGO_SECRET_KEY_FALLBACKS")))
}

fn by_variables(mut settings: DjangoSettings) -> DjangoSettings {
    if let Some(name) = optional("SESSION_COOKIE_NAME") {
        settings = settings.session_cookie_name(name);
    }
    if let Some(url) = optional("LOGIN_URL") {
        settings = settings.login_url(url);
    }
    if let Some(table) = optional("AUTH_USER_TABLE") {
        settings = settings.user_model(UserModel::new(table));
    }
    if optional("AUTHENTICATION_BACKENDS").is_some() {
        settings = settings.authentication_backends(list("AUTHENTICATION_BACKENDS"));
    }
    settings
}

/// An environment variable that is set and not empty.
fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn required(name: &str) -> io::Result<String> {
    optional(name).ok_or_else(|| io::Error::other(format!("the environment has no {name}")))
}

/// A comma-separated list; unset or empty means none.
fn list(name: &str) -> Vec<String> {
    let items = optional(name).unwrap_or_default();
    items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Into::into).collect()
}
