//! One service with everything, for tests and tools. To copy from, use `whoami`.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     cargo example workbench
//! ```
//!
//! Also read: `DJANGO_SECRET_KEY_FALLBACKS` (comma-separated), `BIND` (default `127.0.0.1:8080`),
//! `WORKERS` (default one for each processor), `MAX_CONNECTIONS` to PostgreSQL, and
//! `DJANGO_SETTINGS`, the path of what `export_settings` printed inside the site. Without that file:
//! `AUTHENTICATION_BACKENDS` and `ALLOWED_HOSTS` (comma-separated; default this machine),
//! `AUTH_USER_TABLE`, `SESSION_COOKIE_NAME` and `LOGIN_URL`. Sessions are written.
//!
//! | route | middleware | answer |
//! |---|---|---|
//! | `GET /` `/session` `/user` `/api/user` `/account` | as in `whoami` | as in `whoami` |
//! | `GET /csrf` | `optional` | `{"csrf_token": ".."}`, with its cookie |
//! | `POST /note` | `optional` | the form field `text`: `{"text": ".."}`; `null` without it |
//! | `PUT /note` | `optional` | the body back, with its content type |
//! | `POST /cart` | `optional` | the form field `item`, an integer, appended: `{"cart": [1, 2]}` |
//! | `DELETE /cart` | `optional` | `{"removed": true}` |
//! | `POST /expiry` | `optional` | `set_expiry` of the form field `seconds`, empty for `None`: 204 |
//! | `POST /cycle` | `optional` | `cycle_key`: 204 |
//! | `POST /login` | `optional` | form fields `username`, `password`: `{"user_id": "1"}`, or 401 `{"user_id": null}` |
//! | `POST /logout` | `optional` | `logout`: 204 |
//! | `/rest/me` | `rest_framework` | GET, HEAD, POST and DELETE: `{"user_id": "1", "by": "token"}` |
//! | `/rest/open` `/rest/staff` `/rest/read` | the same, `allow_any`, `is_admin_user`, `is_authenticated_or_read_only` | the same; for anonymous clients both are `null` |

mod environment;
mod fields;
mod log_in;
mod notes;
mod rest;
mod routes;
mod sessions;
mod visitors;

use std::error::Error;

use actix_django_session::DjangoSite;
use actix_web::{App, HttpServer};
use deadpool_postgres::{Config, Runtime};
use tokio_postgres::NoTls;

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let url = environment::required("DATABASE_URL")?;
    let pool =
        Config { url: Some(url), ..Config::default() }.create_pool(Some(Runtime::Tokio1), NoTls)?;
    let site = DjangoSite::new(pool, environment::settings()?)?;

    let routes = routes::routes(site.clone());
    match site.check().await {
        Ok(report) => eprintln!("{report}"),
        Err(actix_django_session::Error::CheckFailed(report)) => eprintln!("{report}"),
        Err(error) => eprintln!("{}", error.chain()),
    }

    let mut server = HttpServer::new(move || App::new().configure(routes.clone()));
    if let Some(workers) = environment::optional("WORKERS") {
        server = server.workers(workers.parse()?);
    }
    let server =
        server.bind(environment::optional("BIND").unwrap_or_else(|| "127.0.0.1:8080".into()))?;

    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}
