//! Pages for all visitors that know the user, and one page for staff only.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example mixed_pages
//! ```

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, OptionalDjangoSession,
    OptionalDjangoUser,
};
use actix_web::{
    App, HttpServer,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

/// `None` means anonymous. If the database is unavailable, the response is a 503.
async fn article(OptionalDjangoUser(user): OptionalDjangoUser) -> String {
    match user {
        Some(user) => format!("An article. You may comment as {}.\n", user.username()),
        None => "An article. Log in to comment.\n".to_owned(),
    }
}

/// A cart needs a session, and no user. Data that cannot be decoded is an empty session, as in Django.
async fn cart(OptionalDjangoSession(session): OptionalDjangoSession) -> String {
    let items = session.and_then(|session| session.get::<u32>("cart").ok()?).unwrap_or_default();
    format!("{items} in the cart\n")
}

/// Behind the second middleware. Both middlewares share one lookup.
async fn drafts(user: DjangoUser) -> String {
    format!("Drafts, for {}\n", user.username())
}

/// Makes each middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let everybody = DjangoSessionMiddleware::optional(site.clone());
    let staff = DjangoSessionMiddleware::login_required(site).staff_required();
    move |app| {
        let pages = web::scope("")
            .wrap(everybody.clone())
            .route("/", web::get().to(article))
            .route("/cart", web::get().to(cart))
            .service(web::resource("/drafts").wrap(staff.clone()).get(drafts));
        app.service(pages);
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
