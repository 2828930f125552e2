//! A page with a form that is protected as in Django: with the token of the CSRF cookie.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example forms
//! ```

use std::{env, sync::Mutex};

use actix_django_session::{CsrfToken, DjangoSessionMiddleware, DjangoSettings, DjangoSite, Error};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Responder, ResponseError,
    http::header::ContentType,
    web::{self, Data, Form, Redirect, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use serde::Deserialize;
use tokio_postgres::NoTls;

type Notes = Data<Mutex<Vec<String>>>;

#[derive(Deserialize)]
struct Note {
    text: String,
}

async fn page(csrf_token: CsrfToken, notes: Notes) -> HttpResponse {
    let notes = notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let items: String = notes.iter().map(|note| format!("<li>{}</li>\n", escape(note))).collect();
    html(&format!(
        "<ul>\n{items}</ul>\n<form method=\"post\">{}<input name=\"text\"><button>Note</button></form>",
        csrf_token.input()
    ))
}

/// Gets only forms from pages of this site: the middleware has checked that.
async fn note(Form(note): Form<Note>, notes: Notes) -> impl Responder {
    notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(note.text);
    Redirect::to("/").see_other()
}

/// A page for visitors with an old form or without cookies. The log has the reason.
fn refused(error: &Error, _: &HttpRequest) -> HttpResponse {
    match error {
        Error::CsrfFailed(_) => {
            let mut response = html("<p>Please <a href=\"/\">open the page</a> again.</p>");
            *response.status_mut() = error.status_code();
            response
        }
        error => error.error_response(),
    }
}

fn html(body: &str) -> HttpResponse {
    let page = format!("<!doctype html>\n<meta charset=\"utf-8\">\n<title>Notes</title>\n{body}\n");
    HttpResponse::Ok().content_type(ContentType::html()).body(page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Makes the middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let middleware = DjangoSessionMiddleware::optional(site).error_handler(refused);
    let notes = Notes::default();
    move |app| {
        let pages = web::resource("/").wrap(middleware.clone()).get(page).post(note);
        app.app_data(notes.clone()).service(pages);
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
