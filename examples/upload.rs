//! A form with a file that is protected as in Django.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     ALLOWED_HOSTS=www.example.com cargo example upload
//! ```
//!
//! The token stands before the file. So the middleware reads only a few hundred bytes before the handler runs,
//! and the handler gets the file while it arrives, whatever its size.

use std::env;

use actix_django_session::{CsrfToken, DjangoSessionMiddleware, DjangoSettings, DjangoSite};
use actix_multipart::Multipart;
use actix_web::{
    App, HttpResponse, HttpServer,
    error::{ErrorBadRequest, ErrorPayloadTooLarge},
    http::header::ContentType,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use futures_util::TryStreamExt;
use tokio_postgres::NoTls;

/// How large a file may be, in bytes.
const LARGEST: u64 = 100 * 1024 * 1024;

async fn page(csrf_token: CsrfToken) -> HttpResponse {
    let page = format!(
        "<!doctype html>\n<title>Upload</title>\n\
         <form method=\"post\" enctype=\"multipart/form-data\">{}<input type=\"file\" name=\"file\">\
         <button>Send</button></form>\n",
        csrf_token.input()
    );
    HttpResponse::Ok().content_type(ContentType::html()).body(page)
}

/// Gets only forms from pages of this site: the middleware has checked that.
async fn upload(mut form: Multipart) -> actix_web::Result<String> {
    let mut size = None;
    while let Some(mut field) = form.try_next().await? {
        let is_file = field.name() == Some("file");
        while let Some(chunk) = field.try_next().await? {
            // Write the chunks to their destination here.
            if is_file {
                let size = size.get_or_insert(0);
                *size += chunk.len() as u64;
                if *size > LARGEST {
                    return Err(ErrorPayloadTooLarge("too large"));
                }
            }
        }
    }
    size.map(|size| format!("{size} bytes")).ok_or_else(|| ErrorBadRequest("no file"))
}

/// Makes the middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let middleware = DjangoSessionMiddleware::optional(site);
    move |app| {
        let pages = web::resource("/upload").wrap(middleware.clone()).get(page).post(upload);
        app.service(pages);
    }
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let mut settings = DjangoSettings::new(variable("DJANGO_SECRET_KEY")?);
    settings.allowed_hosts = variable("ALLOWED_HOSTS")?.split(',').map(Into::into).collect();
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
