//! A real server in front of a pool.

use std::net::SocketAddr;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, DjangoUserId,
    OptionalDjangoSession,
};
use actix_web::{
    App,
    web::{self, ServiceConfig},
};
use deadpool_postgres::{Config, Pool, PoolConfig, Runtime};
use testbed::{Settings, TestApp, With, any_port};
use tokio_postgres::NoTls;

use crate::TEST_TIMEOUT;

/// The `application_name` of a service's pool in `pg_stat_activity`.
pub(crate) const APPLICATION_NAME: &str = "service";

pub(crate) fn settings() -> DjangoSettings {
    DjangoSettings::new(Settings::SECRET_KEY)
}

/// For many visitors whom only a busy machine delays: a failure has another reason.
pub(crate) fn patient() -> DjangoSettings {
    settings().with(|s| s.timeout = TEST_TIMEOUT)
}

pub(crate) fn pool(url: &str, size: usize) -> Pool {
    let config = Config {
        url: Some(url.into()),
        application_name: Some(APPLICATION_NAME.into()),
        pool: Some(PoolConfig::new(size)),
        ..Config::default()
    };
    config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap()
}

/// The middlewares and the handlers behind them.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send + Sync {
    let optional = DjangoSessionMiddleware::optional(site.clone());
    let required = DjangoSessionMiddleware::required(site.clone());
    let login_required = DjangoSessionMiddleware::login_required(site);
    move |app| {
        let middleware = |path| web::resource::<&str>(path);
        app.service(middleware("/optional").wrap(optional.clone()).to(optional_session))
            .service(middleware("/required").wrap(required.clone()).to(user_id))
            .service(middleware("/login_required").wrap(login_required.clone()).to(user));
    }
}

async fn optional_session(OptionalDjangoSession(session): OptionalDjangoSession) -> String {
    match session.as_ref().map(|session| session.user_id().unwrap()) {
        None => "no session".into(),
        Some(None) => "anonymous".into(),
        Some(Some(id)) => format!("user {id}"),
    }
}

async fn user_id(DjangoUserId(id): DjangoUserId<i64>) -> String {
    format!("user {id}")
}

async fn user(user: DjangoUser) -> actix_web::Result<String> {
    let permissions: Vec<_> = user.permissions().await?.iter().map(String::as_str).collect();
    Ok(format!("{} may {}", user.username(), permissions.join(", ")))
}

/// A running server, with two workers by default.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) pool: Pool,
    _app: TestApp,
}

impl Service {
    pub(crate) fn start(pool: Pool, settings: DjangoSettings) -> Self {
        let site = DjangoSite::new(pool.clone(), settings).unwrap();
        Self::with(pool, routes(site))
    }

    pub(crate) fn with(
        pool: Pool,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::with_workers(2, pool, routes)
    }

    pub(crate) fn with_workers(
        workers: usize,
        pool: Pool,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + Sync + 'static,
    ) -> Self {
        let app = move || App::new().configure(routes.clone());
        let app = TestApp::serve(any_port(), workers, app);
        Self { address: app.address(), pool, _app: app }
    }
}
