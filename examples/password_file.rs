//! A database password that is renewed while the service runs: a token of RDS IAM or Cloud SQL, or a
//! password that Vault leases. Another process writes it to a file (Vault Agent, a sidecar, a mounted
//! secret). The service reads the file whenever it opens a connection, so it never sends an old password.
//!
//! ```sh
//! DATABASE_URL=postgres://user@localhost/site PASSWORD_FILE=/run/secrets/database \
//!     DJANGO_SECRET_KEY=... cargo example password_file
//! ```
//!
//! If a library makes the token, let a task write it to a `tokio::sync::watch` some minutes before the old
//! one expires, and read that in `connect` in place of the file.

use std::{env, fs, future::Future, path::PathBuf, pin::Pin};

use actix_django_session::{DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser};
use actix_web::{App, HttpServer, Responder, web};
use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool};
use tokio::{spawn, task::JoinHandle};
use tokio_postgres::{Client, Config, Error, NoTls};

struct PasswordFile(PathBuf);

type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

impl Connect for PasswordFile {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let mut config = config.clone();
        Box::pin(async move {
            // The file is small and local, so it may block. Without it PostgreSQL refuses, and the log says so.
            let password = fs::read_to_string(&self.0).unwrap_or_default();
            config.password(password.trim_end());
            // Replace `NoTls` by the connector of `examples/tls.rs`: cloud databases require TLS.
            let (client, connection) = config.connect(NoTls).await?;
            let task = spawn(async move {
                // The client reports how the connection ended.
                drop(connection.await);
            });
            Ok((client, task))
        })
    }
}

async fn account(user: DjangoUser) -> impl Responder {
    format!("hello, {}", user.username())
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let settings = DjangoSettings::new(variable("DJANGO_SECRET_KEY")?);
    let config: Config = variable("DATABASE_URL")?.parse()?;
    let connect = PasswordFile(variable("PASSWORD_FILE")?.into());
    let manager = Manager::from_connect(config, connect, ManagerConfig::default());
    let site = DjangoSite::new(Pool::builder(manager).build()?, settings)?;
    let middleware = DjangoSessionMiddleware::login_required(site.clone());
    site.check().await?;
    let server = HttpServer::new(move || {
        App::new().service(web::resource("/account").wrap(middleware.clone()).get(account))
    })
    .bind(variable("BIND").unwrap_or_else(|_| "127.0.0.1:8080".into()))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}
