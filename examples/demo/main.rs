//! A Django site that moves to Rust one page at a time.
//!
//! ```sh
//! cargo run --example demo
//! ```
//!
//! Starts PostgreSQL and a small Django site, then a Rust server in front of both. That server answers the paths of
//! `routes.rs` itself (login, logout, a new password, a permission, a WebSocket, ..) and passes every other path on
//! to Django. `--port` names another port than 8080; 0 takes any that is free.

mod account;
mod compare;
mod home;
mod html;
mod live;
mod proxy;
mod routes;
mod warm_up;
#[path = "../websocket.rs"]
mod websocket;

use std::{env, error::Error, io, net::TcpListener, process::ExitCode};

use actix_django_session::{DjangoSettings, DjangoSite};
use actix_web::{
    App, HttpServer,
    dev::Service,
    rt,
    web::{self, Data},
};
use deadpool_postgres::{Config, Runtime};
use serde_json::{Value, json};
use testbed::{Django, Postgres, Settings, TestBed};
use tokio_postgres::NoTls;
use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use account::{PASSWORD, USERNAME};
use proxy::Upstream;

#[actix_web::main]
async fn main() -> ExitCode {
    log();
    match demo().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs this service and the crate to stderr, also rejected requests and the reason.
fn log() {
    let targets = Targets::new()
        .with_target("demo", tracing::Level::INFO)
        .with_target("actix_django_session", tracing::Level::DEBUG)
        .with_default(tracing::Level::WARN);
    let lines = fmt::layer().with_writer(io::stderr).with_filter(targets);
    tracing_subscriber::registry().with(lines).init();
}

async fn demo() -> Result<(), Box<dyn Error>> {
    let port = port_from(env::args().skip(1))?;
    // First, because the port may be in use and the rest takes time.
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is in use: choose another with `--port`, or any with `--port 0`")
        }
        _ => format!("cannot listen on 127.0.0.1:{port}: {error}"),
    })?;
    let address = format!("http://{}", listener.local_addr()?);

    println!("Starting PostgreSQL");
    let postgres = Postgres::start().await?;
    println!("Starting the Django site");
    let settings = Settings::default()
        .user(USERNAME, PASSWORD)
        .set("LOGIN_HINT", format!("{USERNAME} / {PASSWORD}"))
        .set("SHOW_TIMES", true)
        // The fastest settings for this server of Django.
        .set("CONN_MAX_AGE", Value::Null)
        // Rust's page, for Django's login too.
        .login_url("/login/")
        .set("LOGIN_REDIRECT_URL", "/dashboard")
        .extra_apps(["django.contrib.messages"])
        .set("EXTRA_MIDDLEWARE", json!(["django.contrib.messages.middleware.MessageMiddleware"]));
    let bed = TestBed::on(&postgres, Django::default(), settings).await?;

    println!("Starting the Rust service");
    let pool = Config { url: Some(bed.database_url().to_owned()), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    // As the guide says: Django itself exports the settings.
    let mut settings =
        DjangoSettings::from_json(&bed.export_settings().await?, Settings::SECRET_KEY)?;
    settings.write_sessions = true;
    let site = DjangoSite::new(pool.clone(), settings)?;

    let shutdown = websocket::shutdown()?;
    let routes = routes::routes(site.clone(), shutdown.clone());
    site.check().await?;
    let django = bed.site().await?.url().to_owned();
    let server = HttpServer::new(move || {
        App::new()
            .configure(routes.clone())
            .wrap_fn(|req, service| {
                html::begin(&req);
                service.call(req)
            })
            .app_data(Data::new(Upstream::new(&django)))
            .default_service(web::to(proxy::pass_on))
    })
    .workers(2)
    .shutdown_signal(websocket::ended(shutdown))
    .shutdown_timeout(2)
    .listen(listener)?
    .run();
    let server = rt::spawn(server);
    warm_up::warm_up(&address).await?;

    print!("{}", greeting(&address));
    // Until Ctrl-C or SIGTERM.
    server.await??;

    println!("Stopping");
    pool.close();
    drop(bed);
    testbed::stop_forking().await;
    postgres.stop().await?;
    Ok(())
}

fn port_from(mut args: impl Iterator<Item = String>) -> Result<u16, String> {
    let usage = || "usage: cargo run --example demo [-- --port PORT]".to_owned();
    match (args.next().as_deref(), args.next(), args.next()) {
        (None, ..) => Ok(8080),
        (Some("--port"), Some(port), None) => port.parse().map_err(|_| usage()),
        _ => Err(usage()),
    }
}

fn greeting(address: &str) -> String {
    format!(
        "
  Open       {address}
  User       {USERNAME}
  Password   {PASSWORD}

  What to try
    - Open {address}/dashboard: you have to log in, and come back.
    - Put something into the cart: Rust does it, Django shows it, with Rust's message.
    - Let Django grant you the permission for {address}/letters.
    - Open {address}/live, and log out in another tab.
    - Log in with two browsers and change the password in one: the other is out, at once.
    - Ask both the same: {address}/compare
    - curl -i {address}/api/me: a 401 instead of a redirect.

  Ctrl-C stops everything and leaves nothing behind. What Rust has to say follows.

"
    )
}
