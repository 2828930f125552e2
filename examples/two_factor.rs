//! Two factors: only sessions in which django-otp has verified a device count as logged in, as with
//! its `otp_required`. Everyone else is sent to the page that asks for the second factor.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo run --example two_factor
//! ```

use std::{env, io};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoUser, SessionData, SessionStore,
};
use actix_web::{App, HttpServer, web};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

/// The key under which django-otp notes the device. It is there when the token was right.
const DEVICE: &str = "otp_device_id";

/// Asked after all of Django's own checks: it can say no, it cannot let anybody in.
fn is_verified(session: &SessionData, _user: &DjangoUser) -> bool {
    session.get::<String>(DEVICE).is_ok_and(|device| device.is_some())
}

async fn account(user: DjangoUser) -> String {
    format!("welcome, {}", user.username())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings =
        DjangoSettings::new(variable("DJANGO_SECRET_KEY")?).login_url("/account/two_factor/");
    let pool = Config { url: Some(variable("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let store = SessionStore::new(pool, settings)?.login_policy(is_verified);

    let gate = DjangoSessionMiddleware::login_required(store.clone());
    store.check().await?;
    let server = HttpServer::new(move || {
        App::new().service(web::resource("/account").wrap(gate.clone()).to(account))
    })
    .bind(variable("BIND").unwrap_or_else(|_| "127.0.0.1:8080".into()))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|_| io::Error::other(format!("the environment has no {name}")))
}
