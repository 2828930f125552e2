//! A session auth hash that the site computes in its own way: an "auth version" ends all sessions of a
//! user when it increases. In Django:
//!
//! ```python
//! class VersionedUser(AbstractUser):
//!     auth_version = models.IntegerField(default=0)
//!
//!     def _get_session_auth_hash(self, secret=None):
//!         message = f"{self.password}{self.auth_version}"
//!         return salted_hmac(
//!             "versioned.session_auth_hash", message, secret=secret, algorithm="sha512"
//!         ).hexdigest()
//! ```
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     AUTH_USER_TABLE=accounts_versioneduser cargo example auth_version
//! ```

use std::env;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error, SessionAuthHash,
    UserModel, signing::Algorithm,
};
use actix_web::{
    App, HttpServer,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

pub(crate) fn user_model(table: String) -> UserModel {
    let mut hash = SessionAuthHash::default();
    hash.overrides_private_get_session_auth_hash = true;
    hash.key_salt = "versioned.session_auth_hash".into();
    hash.algorithm = Algorithm::Sha512;
    let mut model = UserModel::new(table);
    model.columns = vec!["auth_version".into()];
    model.session_auth_hash = Some(hash);
    model
}

pub(crate) fn message(password: &str, user: &DjangoUser) -> Result<String, Error> {
    Ok(format!("{password}{}", user.get::<i32>("auth_version")?))
}

async fn account(user: DjangoUser) -> Result<String, Error> {
    Ok(format!("{}, auth version {}", user.username(), user.get::<i32>("auth_version")?))
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
    let mut settings = DjangoSettings::new(variable("DJANGO_SECRET_KEY")?);
    settings.user_model = user_model(variable("AUTH_USER_TABLE")?);
    let pool = Config { url: Some(variable("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let site = DjangoSite::new(pool, settings)?.session_auth_hash_message(message);

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
