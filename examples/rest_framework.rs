//! An API that answers as a view of the Django REST framework: clients come with a session, a token, a
//! JWT or a password, by the site's `DEFAULT_AUTHENTICATION_CLASSES`. Refused clients get
//! `{"detail": ..}`.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     DJANGO_SETTINGS=django-settings.json cargo example rest_framework
//! ```
//!
//! `DJANGO_SETTINGS` is the path of the exported settings. Without it, the example uses the framework's
//! default classes: session and basic.

use std::{env, error::Error as StdError, fs};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error, RestAuth, RestScheme,
};
use actix_web::{
    App, HttpResponse, HttpServer,
    http::Method,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Runtime};
use serde_json::json;
use tokio_postgres::NoTls;

async fn items(user: DjangoUser) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "user": user.username() }))
}

/// The class that recognised the client, and the claims of its token.
async fn whoami(user: DjangoUser, auth: RestAuth) -> Result<HttpResponse, Error> {
    if user.is_superuser() && auth.scheme() == Some(RestScheme::Basic) {
        // The middleware answers this error in JSON, as its own.
        return Err(Error::PermissionDenied);
    }
    Ok(HttpResponse::Ok().json(json!({
        "user": user.username(),
        "by": auth.scheme().map(RestScheme::name),
        "app": auth.claim::<String>("app")?,
    })))
}

/// Makes each middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    // class Items(APIView): permission_classes = [IsAuthenticated], with get() and post()
    let api = DjangoSessionMiddleware::rest_framework(site).methods([Method::GET, Method::POST]);
    // class Staff(Items): permission_classes = [IsAdminUser]
    let staff = api.clone().is_admin_user();
    move |app| {
        app.service(web::resource("/staff").wrap(staff.clone()).to(items))
            .service(web::resource("/whoami").wrap(api.clone()).to(whoami))
            .service(web::resource("/items").wrap(api.clone()).to(items));
    }
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn StdError>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let secret_key = variable("DJANGO_SECRET_KEY")?;
    let settings = match env::var("DJANGO_SETTINGS") {
        Ok(path) => DjangoSettings::from_json(&fs::read_to_string(path)?, secret_key)?,
        Err(_) => {
            let mut settings = DjangoSettings::new(secret_key);
            // ALLOWED_HOSTS of settings.py: without it, every form of this site fails the CSRF check.
            settings.allowed_hosts = vec!["localhost".into(), "127.0.0.1".into()];
            settings
        }
    };
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
