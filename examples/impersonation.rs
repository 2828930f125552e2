//! A member of the staff acts as a customer, with django-impersonate: the session stays that of the staff
//! member, and the site's middleware sets `request.user` to the customer. Without the hook, this service
//! would serve the staff member.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example impersonation
//! ```

use std::env;

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error,
    NotLoggedIn,
};
use actix_web::{
    App, HttpServer,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

/// The key under which django-impersonate stores the id of the other user.
const OTHER: &str = "_impersonate";

/// `ImpersonateMiddleware` with its default settings: staff may act as every user who is not a superuser.
/// This is stricter in one point: the other user has to be active.
pub(crate) async fn acting(
    session: DjangoSession,
    user: DjangoUser,
    site: DjangoSite,
) -> Result<Option<DjangoUser>, Error> {
    // An id that is not a number is an error in the package, too.
    let Some(id) = session.get::<Option<i64>>(OTHER)?.flatten() else { return Ok(Some(user)) };
    if !user.is_superuser() && !user.is_staff() {
        return Ok(Some(user));
    }
    match site.user(id).await {
        Ok(other) if !other.is_superuser() => Ok(Some(other)),
        Ok(_) | Err(Error::NotLoggedIn(NotLoggedIn::NoSuchUser)) => Ok(Some(user)),
        Err(error) => Err(error),
    }
}

async fn account(user: DjangoUser) -> String {
    format!("welcome, {}", user.username())
}

/// Makes the middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let middleware = DjangoSessionMiddleware::login_required(site);
    move |app| {
        app.service(web::resource("/account").wrap(middleware.clone()).to(account));
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
    let site = DjangoSite::new(pool, settings)?.after_get_user(acting);

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
