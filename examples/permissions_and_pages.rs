//! Pages that need a permission, and a page for users who lack it. Anonymous visitors are still redirected
//! to the login page, with `next`.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example permissions_and_pages
//! ```

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::header::ContentType,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

/// For every logged-in user; the content depends on the user.
async fn items(user: DjangoUser) -> Result<HttpResponse, Error> {
    let button = match user.has_perm("shop.add_item").await? {
        true => "<a href=\"/items/add\">Add an item</a>",
        false => "",
    };
    Ok(page(HttpResponse::Ok(), &format!("<h1>Items</h1>{button}")))
}

/// Behind `permission_required`: every user who comes here has the permission.
async fn add(user: DjangoUser) -> HttpResponse {
    let name = user.username().replace('&', "&amp;").replace('<', "&lt;");
    page(HttpResponse::Ok(), &format!("<h1>A new item of {name}</h1>"))
}

/// A page for the 403. For all other errors, the middleware's own response.
fn refused(error: &Error, req: &HttpRequest) -> HttpResponse {
    match error {
        Error::PermissionDenied => {
            let said = "<h1>You may not do that</h1><a href=\"/items\">Back to the items</a>";
            page(HttpResponse::Forbidden(), said)
        }
        error => error.default_response(req),
    }
}

fn page(mut response: actix_web::HttpResponseBuilder, body: &str) -> HttpResponse {
    response.content_type(ContentType::html()).body(format!("<!doctype html>{body}"))
}

/// Makes each middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let users = DjangoSessionMiddleware::login_required(site).error_handler(refused);
    let sellers = users.clone().permission_required("shop.add_item");
    move |app| {
        app.service(web::resource("/items").wrap(users.clone()).to(items))
            .service(web::resource("/items/add").wrap(sellers.clone()).to(add));
    }
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
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
