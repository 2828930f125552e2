//! # Several tenants
//!
//! A [`DjangoSite`](crate::DjangoSite) opens its own connections, with the host, credentials and TLS of the pool that you
//! give it. Nothing else runs on these connections: no hook of the pool, no `SET search_path` of a handler, and no
//! transaction that a handler left open. So no earlier request can change who is logged in.
//!
//! It also means that a hook of the pool that selects the tenant does not reach the site. Make one site for each tenant,
//! and say where its tables are:
//!
//! ```
//! use actix_django_session::{DjangoSettings, Error, DjangoSite, UserModel};
//! use deadpool_postgres::Pool;
//!
//! fn site_of(tenant: &str, host: &str, pool: Pool, secret_key: &[u8]) -> Result<DjangoSite, Error> {
//!     let mut settings = DjangoSettings::new(secret_key);
//!     settings.allowed_hosts = vec![host.into()];
//!     settings.session_table = (tenant, "django_session").into();
//!     settings.user_model = UserModel::new((tenant, "auth_user"));
//!     DjangoSite::new(pool, settings)
//! }
//! ```
//!
//! Each site has [connections of its own](super::start#the-sites-own-connections) while its tenant gets requests, and
//! for a minute after: with 8 workers, some 8 to 24 for each site.
//!
//! | tenants are | do this |
//! |---|---|
//! | schemas of one database (django-tenants) | one pool, and one site for each tenant with tables named by schema, as above |
//! | databases | one pool and one site for each tenant |
//! | rows (a `tenant_id` column, row-level security) | one site; read the column with [`UserModel::columns`](crate::UserModel::columns), and compare it in the handler or in a hook. A row-level policy that reads a setting of the connection finds none here: give the role of the site its own policy, or a view |
//!
//! The host of the request decides which tenant's middleware it passes:
//!
//! ```no_run
//! use actix_django_session::{DjangoSessionMiddleware, DjangoUser, DjangoSite};
//! use actix_web::{guard, web};
//!
//! async fn home(user: DjangoUser) -> String {
//!     format!("Hello, {}", user.username())
//! }
//!
//! /// Called once, with the host and the site of each tenant. Each worker gets a clone of the result.
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
//! A session of tenant A is not valid at tenant B, even if both have the same `SECRET_KEY`, because its row is in another
//! table. Give each tenant a key of its own all the same, as you would in Django.
