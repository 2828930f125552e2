//! A shopping cart in Django's session: Django's pages see what this service puts into it.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example cart
//! ```

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, Error,
};
use actix_web::{
    App, HttpServer,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use serde::Deserialize;
use tokio_postgres::NoTls;

#[derive(Deserialize)]
struct Item {
    item: u32,
}

/// `update` runs its closure again if another request changed the cart meanwhile, so no item is lost. The
/// middleware saves the session before it sends the response.
async fn add(session: DjangoSessionMut, form: web::Form<Item>) -> Result<String, Error> {
    let item = form.item;
    session.update("cart", move |cart: &mut Vec<u32>| cart.push(item))?;
    Ok(format!("{} in the cart\n", session.get::<Vec<u32>>("cart")?.unwrap_or_default().len()))
}

async fn empty(session: DjangoSessionMut) -> Result<String, Error> {
    Ok(if session.remove("cart") { "emptied\n" } else { "it was empty\n" }.to_owned())
}

/// Makes the middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let middleware = DjangoSessionMiddleware::optional(site);
    move |app| {
        app.service(web::resource("/cart").wrap(middleware.clone()).post(add).delete(empty));
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
    settings.write_sessions = true;
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
