//! Health checks: whether the service runs, and whether it can serve visitors.

use actix_django_session::{DjangoSite, Error};
use actix_web::{
    App, ResponseError,
    test::{TestRequest, call_service, init_service},
};
use testbed::{Django, Postgres, Settings, With};
use tokio::time::{Duration, Instant};

use crate::{
    app::TestApp,
    beds::{Bed, nowhere, pool, settings},
    handlers::examples::health::routes,
};

#[testbed::test]
async fn a_service_is_ready_if_it_reaches_the_database() {
    let postgres = Postgres::start().await.unwrap();
    let bed = Bed::on(&postgres, Django::default(), &Settings::default()).await;
    let app = {
        let routes = routes(bed.site());
        TestApp::start(move || App::new().configure(routes.clone()))
    };
    let health = async || {
        let live = app.get_without_cookie("/health/live").await;
        let ready = app.get_without_cookie("/health/ready").await;
        assert_eq!(live.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(ready.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(ready.header("retry-after").is_some(), ready.status == 503);
        (live.status, ready.status)
    };
    assert_eq!(health().await, (200, 200));
    if !postgres.is_own() {
        testbed::not_tested("health while PostgreSQL is away: it is not ours to stop");
        return;
    }
    postgres.kill9().await.unwrap();
    assert_eq!(health().await, (200, 503));
    // When the database is back, the service is ready at once: no request waits for a pause to end.
    postgres.restart().await.unwrap();
    assert_eq!(health().await, (200, 200));
}

/// A server that accepts connections and never answers costs one `timeout`.
#[testbed::test]
async fn the_health_check_does_not_wait_for_a_silent_database() {
    let postgres = Postgres::start().await.unwrap();
    if !postgres.is_own() {
        testbed::not_tested("a ping of a silent PostgreSQL: it is not ours to freeze");
        return;
    }
    let site = |url: &str, timeout| {
        DjangoSite::new(pool(url), settings().with(|s| s.timeout = timeout)).unwrap()
    };
    let patient = site(postgres.url(), Duration::from_secs(60));
    patient.ping().await.unwrap();

    postgres.freeze().await.unwrap();
    let timeout = Duration::from_millis(500);
    let start = Instant::now();
    let error = site(postgres.url(), timeout).ping().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_eq!(error.status_code(), 503);
    assert!(start.elapsed() >= timeout);
    postgres.thaw().await.unwrap();
    patient.ping().await.unwrap();
}

/// `live` needs neither a session nor a database.
#[testbed::test]
async fn the_liveness_check_needs_no_session_and_no_database() {
    let site = DjangoSite::new(pool(&nowhere()), settings()).unwrap();
    let app = init_service(App::new().configure(routes(site))).await;
    for (path, status) in [("/health/live", 200), ("/health/ready", 503), ("/account", 302)] {
        let request = TestRequest::get().uri(path).to_request();
        assert_eq!(call_service(&app, request).await.status(), status, "{path}");
    }
}

/// With this name an administrator finds the connections in `pg_stat_activity`.
#[testbed::test]
async fn connections_have_the_application_name_in_the_address() {
    let bed = Bed::shared().await;
    let name = format!("orders_{}", std::process::id());
    let url = format!("{}?application_name={name}", bed.url());
    let site = DjangoSite::new(pool(&url), settings()).unwrap();
    site.ping().await.unwrap();
    let named = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'");
    assert_ne!(bed.sql(&named).await[0][0], 0);
}
