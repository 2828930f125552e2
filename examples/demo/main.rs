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
mod session;

use std::{
    collections::HashMap, env, error::Error, io, net::TcpListener, process::ExitCode, sync::Mutex,
};

use actix_django_session::{
    CsrfToken, DjangoSession, DjangoSessionMiddleware, DjangoSettings, DjangoUser,
    OptionalDjangoSession, OptionalDjangoUser, SessionStore,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Responder, Route,
    dev::Service,
    guard,
    web::{self, Data, Form, Redirect},
};
use deadpool_postgres::{Config, Runtime};
use serde::Deserialize;
use serde_json::json;
use testbed::{Django, Postgres, Settings, TestBed};
use tokio_postgres::NoTls;

use pages::{Page, moment, rows};
use proxy::Upstream;

const USERNAME: &str = "ada";
const PASSWORD: &str = "lovelace-1815";

/// The notes of each user, as long as the demo runs.
type Notes = Data<Mutex<HashMap<String, Vec<String>>>>;

#[derive(Deserialize)]
struct Note {
    text: String,
}

/// Behind `optional`: for everybody.
async fn home(
    req: HttpRequest,
    csrf_token: CsrfToken,
    OptionalDjangoUser(user): OptionalDjangoUser,
    OptionalDjangoSession(session): OptionalDjangoSession,
) -> HttpResponse {
    let mut facts = vec![match &user {
        Some(user) => ("You are", user.username().to_owned()),
        None => ("You are", "not logged in".to_owned()),
    }];
    let mut language = String::new();
    match &session {
        Some(session) => {
            // Data that cannot be decoded is an empty session, as it is to Django.
            let cart = session.get::<u64>("cart").ok().flatten().unwrap_or_default();
            facts.push(("Your session ends", moment(session.expire_date())));
            facts.push(("In your cart", cart.to_string()));
            if let Ok(Some(code)) = session.get::<String>("language") {
                language = code;
            }
        }
        None => facts.push(("Your session", "you have none".to_owned())),
    }
    let welcome = session::LANGUAGES.iter().find(|(code, _)| *code == language);
    let title = welcome.map_or("Home", |(_, welcome)| welcome);
    let body = rows(&facts)
        + &pages::session_forms(&csrf_token)
        + pages::WHAT_TO_TRY
        + pages::WHO_ANSWERS_WHAT;
    let logged_in = user.is_some();
    Page { title, body: &body, logged_in, csrf_token: &csrf_token }.respond(&req)
}

/// Behind `login_required`.
async fn dashboard(
    req: HttpRequest,
    csrf_token: CsrfToken,
    user: DjangoUser,
    session: DjangoSession,
    notes: Notes,
) -> HttpResponse {
    let notes = notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let notes = notes.get(user.id()).map_or(&[][..], Vec::as_slice);
    let title = format!("Hello, {}", user.username());
    let body = rows(&[
        ("Your user id", user.id().to_owned()),
        ("Your session ends", moment(session.expire_date())),
    ]) + &pages::notes(notes, &csrf_token)
        + pages::CHANGE_PASSWORD;
    Page { title: &title, body: &body, logged_in: true, csrf_token: &csrf_token }.respond(&req)
}

/// Behind `login_required`, which lets only forms of this site's own pages through.
async fn note(user: DjangoUser, Form(note): Form<Note>, notes: Notes) -> impl Responder {
    let mut notes = notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    notes.entry(user.id().to_owned()).or_default().push(note.text);
    Redirect::to("/dashboard").see_other()
}

/// Behind `login_required`, with a 401 instead of the way to the login page.
async fn me(user: DjangoUser, session: DjangoSession) -> impl Responder {
    web::Json(json!({
        "id": user.id(),
        "username": user.username(),
        "session_ends": moment(session.expire_date()),
        "from": "Rust",
    }))
}

#[actix_web::main]
async fn main() -> ExitCode {
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

    println!("Starting PostgreSQL (the first run installs it and Django with pip: about a minute)");
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
    // As README says to: Django itself tells the settings.
    let settings = DjangoSettings::from_json(&bed.export_settings().await?, Settings::SECRET_KEY)?
        .writes_sessions(true);
    let sessions = SessionStore::new(pool.clone(), settings)?;

    // Built once: every worker gets a clone.
    let optional = DjangoSessionMiddleware::optional(sessions.clone());
    let gate = DjangoSessionMiddleware::login_required(sessions.clone());
    let api = gate.clone().unauthorized();
    sessions.check().await?;
    let notes = Notes::default();
    let django = bed.site().url().to_owned();
    let server = HttpServer::new(move || {
        let for_all = |path| web::resource(path).wrap(optional.clone());
        App::new()
            .service(for_all("/").route(read().to(home)))
            .service(web::resource("/dashboard").wrap(gate.clone()).route(read().to(dashboard)))
            .service(web::resource("/notes").wrap(gate.clone()).route(web::post().to(note)))
            .service(for_all("/cart/add").route(web::post().to(session::add_to_cart)))
            .service(for_all("/language").route(web::post().to(session::choose_language)))
            .service(for_all("/logout").route(web::post().to(session::log_out)))
            .service(web::resource("/api/me").wrap(api.clone()).route(read().to(me)))
            .wrap_fn(|req, service| {
                pages::begin(&req);
                service.call(req)
            })
            .app_data(notes.clone())
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

/// A route for what Django's views answer to a reader: GET, and HEAD with it.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
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
