//! PostgreSQL over TLS, with the certificate of an authority of your own: as `sslmode=verify-full` and
//! `sslrootcert` do elsewhere.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@db.example.com/site DATABASE_CA=ca.pem \
//!     DJANGO_SECRET_KEY=... cargo example tls
//! ```

use std::{env, path::Path, sync::Arc};

use actix_django_session::{DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser};
use actix_web::{
    App, HttpServer,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Pool, Runtime, SslMode};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A pool that encrypts, and that verifies the server: this authority signed its certificate, for the name in
/// the address. The site's own connections do the same.
pub(crate) fn pool(url: String, ca: &Path) -> Result<Pool, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Without `Require`, the connection is not encrypted if the server offers no TLS.
    let config = Config { url: Some(url), ssl_mode: Some(SslMode::Require), ..Config::default() };
    Ok(config.create_pool(Some(Runtime::Tokio1), MakeRustlsConnect::new(tls))?)
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
    let pool = pool(variable("DATABASE_URL")?, Path::new(&variable("DATABASE_CA")?))?;
    let site = DjangoSite::new(pool, settings)?;

    let routes = routes(site.clone());
    eprintln!("{}", site.check().await?);
    let server = HttpServer::new(move || App::new().configure(routes.clone()))
        .bind(variable("BIND").unwrap_or_else(|_| "127.0.0.1:8080".into()))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}
