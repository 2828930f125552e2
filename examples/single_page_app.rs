//! A page whose script sends JSON: it puts the token of the cookie into the header `X-CSRFToken`, as Django's
//! documentation says.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example single_page_app
//! ```

use std::env;

use actix_django_session::{CsrfToken, DjangoSessionMiddleware, DjangoSettings, DjangoSite, Error};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Responder, ResponseError,
    http::header::ContentType,
    web::{self, Json, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Note</title>
<button id="save">Save</button> <span id="said"></span>
<script>
const cookie = name => document.cookie.split("; ").find(c => c.startsWith(name + "="))?.split("=")[1];
document.getElementById("save").onclick = async () => {
    const answer = await fetch("/api/note", {
        method: "PUT",
        headers: {"Content-Type": "application/json", "X-CSRFToken": cookie("csrftoken")},
        body: JSON.stringify({text: "a note"}),
    });
    document.getElementById("said").textContent = JSON.stringify(await answer.json());
};
</script>
"#;

/// The page needs only the cookie: extracting the token sends it.
async fn page(_: CsrfToken) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(PAGE)
}

/// For an application on another host, which cannot read the cookie of this host.
async fn csrf_token(csrf_token: CsrfToken) -> impl Responder {
    Json(json!({ "csrf_token": csrf_token.as_str() }))
}

async fn save(Json(note): Json<Value>) -> impl Responder {
    Json(json!({ "saved": note }))
}

/// Answers as the REST framework does.
fn json_error(error: &Error, _: &HttpRequest) -> HttpResponse {
    let detail = match error {
        Error::CsrfFailed(reason) => format!("CSRF Failed: {reason}"),
        error if error.wants_login() => "Authentication credentials were not provided.".into(),
        _ => "Something went wrong here.".into(),
    };
    HttpResponse::build(error.status_code()).json(json!({ "detail": detail }))
}

/// Makes each middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let pages = DjangoSessionMiddleware::optional(site.clone());
    let api = DjangoSessionMiddleware::optional(site).error_handler(json_error);
    move |app| {
        let api = web::scope("/api")
            .wrap(api.clone())
            .route("/csrf", web::get().to(csrf_token))
            .route("/note", web::put().to(save));
        app.service(web::resource("/").wrap(pages.clone()).get(page)).service(api);
    }
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let mut settings = DjangoSettings::new(variable("DJANGO_SECRET_KEY")?);
    settings.allowed_hosts = vec!["localhost".into(), "127.0.0.1".into()];
    // The development server of the application, on a port of its own.
    settings.csrf_trusted_origins = vec!["http://localhost:5173".into()];
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
