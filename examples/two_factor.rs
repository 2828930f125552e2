//! Two factors: only sessions in which django-otp has verified a device of the user count as logged in, as
//! with its `otp_required`. All other visitors are redirected to the page that asks for the second factor.
//!
//! The device is looked up on each request, as django-otp's middleware does. So a device that was deleted,
//! for example a stolen phone, no longer counts.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example two_factor
//! ```

use std::env;

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error,
    Unavailable,
};
use actix_web::{
    App, HttpServer,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Pool, Runtime};
use tokio_postgres::NoTls;

/// The key under which django-otp stores the device, `otp_totp.totpdevice/7`.
const DEVICE: &str = "otp_device_id";

/// The plugins of django-otp that this site has, and their tables.
const DEVICES: [(&str, &str); 2] = [
    ("otp_totp.totpdevice", "otp_totp_totpdevice"),
    ("otp_static.staticdevice", "otp_static_staticdevice"),
];

/// Runs after all of Django's own checks. `None` makes the visitor anonymous.
pub(crate) async fn verified(
    pool: Pool,
    session: DjangoSession,
    user: DjangoUser,
) -> Result<Option<DjangoUser>, Error> {
    // `null`, or anything else that is not text, is not a device.
    let Ok(Some(device)) = session.get::<String>(DEVICE) else { return Ok(None) };
    let Some((model, Ok(id))) = device.rsplit_once('/').map(|(m, id)| (m, id.parse::<i64>()))
    else {
        return Ok(None);
    };
    let Some((_, table)) = DEVICES.iter().find(|(name, _)| name.eq_ignore_ascii_case(model)) else {
        return Ok(None);
    };
    let sql =
        format!("SELECT 1 FROM {table} WHERE id = $1::bigint AND user_id::text = $2 AND confirmed");
    let client = pool.get().await.map_err(Unavailable::from)?;
    let found = client.query_opt(&sql, &[&id, &user.id()]).await.map_err(Unavailable::from)?;
    Ok(found.map(|_| user))
}

async fn account(user: DjangoUser) -> String {
    format!("welcome, {}", user.username())
}

/// Makes the middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let middleware =
        DjangoSessionMiddleware::login_required(site).login_url("/account/two_factor/");
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
    let site = DjangoSite::new(pool.clone(), settings)?
        .after_get_user(move |session, user, _store| verified(pool.clone(), session, user));

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
