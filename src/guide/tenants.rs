//! # Several tenants
//!
//! What decides who is logged in must not depend on what the last request did to a connection. So a
//! store makes connections of its own, from the host, credentials and TLS of the pool that it is
//! given, and nothing else ever runs on them: no hook of the pool, no `SET search_path` of a
//! handler, no transaction that was left open.
//!
//! That also means that a hook of the pool which picks the tenant does not reach a site. Make one
//! store for each tenant, and say where its tables are:
//!
//! ```
//! use actix_django_session::{DjangoSettings, Error, DjangoSite, UserModel};
//! use deadpool_postgres::Pool;
//!
//! fn store_of(tenant: &str, host: &str, pool: Pool, secret_key: &[u8]) -> Result<DjangoSite, Error> {
//!     let mut settings = DjangoSettings::new(secret_key);
//!     settings.allowed_hosts = vec![host.into()];
//!     settings.session_table = (tenant, "django_session").into();
//!     settings.user_model = UserModel::new((tenant, "auth_user"));
//!     DjangoSite::new(pool, settings)
//! }
//! ```
//!
//! Each store has [connections of its own](super::start#the-sites-own-connections) while its tenant is
//! there, and for a minute after: with 8 workers, some 8 to 24 for each.
//!
//! | tenants are | then |
//! |---|---|
//! | schemas of one database (django-tenants) | one pool, one site a tenant with tables named by schema, as above |
//! | databases | one pool and one site a tenant |
//! | rows (a `tenant_id` column, row-level security) | one site; ask for the column with [`UserModel::columns`](crate::UserModel::columns) and compare it in the handler or in a hook. A policy of row-level security that reads a setting of the connection does not see one here: give the role of the site its own policy, or a view |
//!
//! Which middleware a request meets is a matter of its host:
//!
//! ```no_run
//! use actix_django_session::{DjangoSessionMiddleware, DjangoUser, DjangoSite};
//! use actix_web::{guard, web};
//!
//! async fn home(user: DjangoUser) -> String {
//!     format!("Hello, {}", user.username())
//! }
//!
//! /// Called once, with the host and the site of each tenant; each worker gets a clone.
//! fn routes(
//!     tenants: Vec<(String, DjangoSite)>,
//! ) -> impl Fn(&mut web::ServiceConfig) + Clone + Send {
//!     let middleware = |(host, site)| (host, DjangoSessionMiddleware::login_required(site));
//!     let middlewares: Vec<_> = tenants.into_iter().map(middleware).collect();
//!     move |app| {
//!         for (host, middleware) in &middlewares {
//!             app.service(
//!                 web::scope("")
//!                     .guard(guard::Host(host))
//!                     .wrap(middleware.clone())
//!                     .route("/", web::get().to(home)),
//!             );
//!         }
//!     }
//! }
//! ```
//!
//! A session of tenant A is no session at tenant B even if both share a `SECRET_KEY`: its row is in
//! another table. Give each tenant a key of its own all the same, as Django would have.
