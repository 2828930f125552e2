//! A Django site that moves to Rust one page at a time.
//!
//! ```sh
//! cargo run --example demo
//! ```
//!
//! Starts PostgreSQL and a small Django site, then a Rust server in front of both. That server
//! answers `/`, `/dashboard`, `/notes`, `/api/me`, `/cart/add`, `/language` and `/logout` itself and
//! passes every other path on to Django.
//! `--port` names another port than 8080; 0 takes any that is free.

mod pages;
mod proxy;
mod routes;
mod session;

use std::{env, error::Error, io, net::TcpListener, process::ExitCode};

use actix_django_session::{DjangoSettings, DjangoSite};
use actix_web::{
    App, HttpServer,
    dev::Service,
    web::{self, Data},
};
use deadpool_postgres::{Config, Runtime};
use testbed::{Django, Postgres, Settings, TestBed};
use tokio_postgres::NoTls;

use proxy::Upstream;

const USERNAME: &str = "ada";
const PASSWORD: &str = "lovelace-1815";

#[actix_web::main]
async fn main() -> ExitCode {
    // What goes wrong is said in the log, and nowhere else.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match demo().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<(), Box<dyn Error>> {
    let port = port_from(env::args().skip(1))?;
    // First of all: it may be taken, and setting up costs time.
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
        .set("SHOW_TIMES", true);
    let bed = TestBed::on(&postgres, Django::default(), settings).await?;

    println!("Starting the Rust service");
    let pool = Config { url: Some(bed.database_url().to_owned()), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    // As the guide says to: Django itself tells the settings.
    let settings = DjangoSettings::from_json(&bed.export_settings().await?, Settings::SECRET_KEY)?
        .writes_sessions(true);
    let sessions = DjangoSite::new(pool.clone(), settings)?;

    let routes = routes::routes(sessions.clone());
    sessions.check().await?;
    let django = bed.site().url().to_owned();
    let server = HttpServer::new(move || {
        App::new()
            .configure(routes.clone())
            .wrap_fn(|req, service| {
                pages::begin(&req);
                service.call(req)
            })
            .app_data(Data::new(Upstream::new(&django)))
            .default_service(web::to(proxy::pass_on))
    })
    .workers(2)
    .shutdown_timeout(2)
    .listen(listener)?
    .run();

    print!("{}", greeting(&address));
    // Until Ctrl-C or SIGTERM.
    server.await?;

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
    - Open {address}/dashboard: Rust sends you to Django's login page, and back.
    - Leave a note on the dashboard: a form of a Rust page.
    - Choose a language, put something into the cart: Rust does it, and Django's cart has it.
    - Log out on the Rust page, or on a Django page: the dashboard is closed again.
    - Log in with two browsers and change the password in one: the other is out, at once.
    - Put something into the cart without logging in: a session, and nobody in it.
    - curl -i {address}/api/me: a 401 instead of a redirect.

  Ctrl-C stops everything and leaves nothing behind.

"
    )
}
