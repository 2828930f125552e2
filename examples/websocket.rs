//! A WebSocket and server-sent events that end when their user logs out, is deactivated or changes the
//! password.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@localhost/site DJANGO_SECRET_KEY=... \
//!     ALLOWED_HOSTS=www.example.com cargo example websocket
//! ```
//!
//! They also end at SIGTERM or Ctrl-C, with the code 1001, so that a client reconnects to the next process.
//! Otherwise actix-web would wait for them for the `shutdown_timeout`, and then close them.
//!
//! Any page can open a WebSocket with the visitor's cookie. So the middleware checks the `Origin` of the
//! handshake: its host has to be one of the `ALLOWED_HOSTS`.

use std::{env, io, pin::pin, time::Duration};

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    rt::{
        self,
        signal::unix::{SignalKind, signal},
    },
    web::{self, Bytes, ServiceConfig},
};
use actix_ws::{CloseCode, CloseReason, Message};
use deadpool_postgres::{Config, Runtime};
use futures_util::{StreamExt, stream};
use tokio::{sync::watch, time};
use tokio_postgres::NoTls;

/// The longest time from logout to the end of a connection.
const EVERY: Duration = Duration::from_secs(1);

/// Becomes true when the process has to end.
pub(crate) type Shutdown = watch::Receiver<bool>;

/// Listens to the signals. A server gets [`ended`] as its `shutdown_signal`: on its own, actix-web waits for
/// open connections at SIGTERM, but cuts them off at Ctrl-C.
pub(crate) fn shutdown() -> io::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (ends, shutdown) = watch::channel(false);
    rt::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        ends.send_replace(true);
        ends.closed().await;
    });
    Ok(shutdown)
}

/// Waits until the process has to end.
pub(crate) async fn ended(mut shutdown: Shutdown) {
    drop(shutdown.wait_for(|ends| *ends).await);
}

/// Waits until the connection has to end, and returns the reason.
async fn end(
    site: DjangoSite,
    session: DjangoSession,
    user: DjangoUser,
    shutdown: web::Data<Shutdown>,
) -> CloseCode {
    let code = tokio::select! {
        code = log_out(&site, &session, &user) => code,
        () = ended(Shutdown::clone(&shutdown)) => CloseCode::Away,
    };
    tracing::info!(user_id = user.id(), code = u16::from(code), "a connection has to end");
    code
}

async fn log_out(site: &DjangoSite, session: &DjangoSession, user: &DjangoUser) -> CloseCode {
    let mut timer = time::interval(EVERY);
    loop {
        timer.tick().await;
        match site.revalidate(session, user).await {
            Ok(_) => {}
            Err(error) if error.wants_login() => return CloseCode::Policy,
            // The database is unavailable: the session may or may not be valid.
            Err(_) => return CloseCode::Again,
        }
    }
}

/// Sends each message back.
async fn socket(
    req: HttpRequest,
    body: web::Payload,
    session: DjangoSession,
    user: DjangoUser,
    site: DjangoSite,
    shutdown: web::Data<Shutdown>,
) -> actix_web::Result<HttpResponse> {
    let (response, mut socket, mut messages) = actix_ws::handle(&req, body)?;
    let name = user.username().to_owned();
    rt::spawn(async move {
        // One future for the whole connection. A new one for each message would restart the wait, and a
        // client that sends all the time would never be disconnected.
        let mut end = pin!(end(site, session, user, shutdown));
        let code = loop {
            let message = tokio::select! {
                code = &mut end => break code,
                message = messages.recv() => message,
            };
            let sent = match message {
                Some(Ok(Message::Text(text))) => socket.text(format!("{name}: {text}")).await,
                Some(Ok(Message::Ping(bytes))) => socket.pong(&bytes).await,
                Some(Ok(Message::Close(_)) | Err(_)) | None => break CloseCode::Normal,
                Some(Ok(_)) => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        };
        drop(socket.close(Some(CloseReason::from(code))).await);
    });
    Ok(response)
}

/// Sends one event a second.
async fn events(
    session: DjangoSession,
    user: DjangoUser,
    site: DjangoSite,
    shutdown: web::Data<Shutdown>,
) -> HttpResponse {
    let event = Bytes::from(format!("data: {}\n\n", user.username()));
    let events = stream::unfold(time::interval(EVERY), move |mut timer| {
        let event = event.clone();
        async move {
            timer.tick().await;
            Some((Ok::<_, io::Error>(event), timer))
        }
    });
    let end = Box::pin(end(site, session, user, shutdown));
    HttpResponse::Ok().content_type("text/event-stream").streaming(events.take_until(end))
}

/// Makes the middleware once. Every worker gets a clone.
pub(crate) fn routes(
    site: DjangoSite,
    shutdown: Shutdown,
) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    // A client that opens a WebSocket cannot use a redirect to a login page: it gets a 401.
    let middleware = DjangoSessionMiddleware::login_required(site).respond_401();
    let shutdown = web::Data::new(shutdown);
    move |app| {
        let live = web::scope("/live")
            .wrap(middleware.clone())
            .route("/socket", web::get().to(socket))
            .route("/events", web::get().to(events));
        app.app_data(shutdown.clone()).service(live);
    }
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let mut settings = DjangoSettings::new(variable("DJANGO_SECRET_KEY")?);
    settings.allowed_hosts = variable("ALLOWED_HOSTS")?.split(',').map(Into::into).collect();
    let pool = Config { url: Some(variable("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let site = DjangoSite::new(pool, settings)?;
    let shutdown = shutdown()?;
    let routes = routes(site.clone(), shutdown.clone());
    site.check().await?;
    // For connections that stay open. Less than the time before SIGKILL: 10 seconds with Docker, 30 with
    // Kubernetes.
    let seconds = variable("SHUTDOWN_TIMEOUT").map_or(Ok(5), |seconds| seconds.parse())?;
    let server = HttpServer::new(move || App::new().configure(routes.clone()))
        .shutdown_signal(ended(shutdown))
        .shutdown_timeout(seconds)
        .bind(variable("BIND").unwrap_or_else(|_| "127.0.0.1:8080".into()))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}
