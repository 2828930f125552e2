//! An actix server for tests, and a client that sends exactly the given bytes.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use actix_http::Request;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, boxed};
use actix_web::{
    App, Error, HttpServer,
    body::{BoxBody, MessageBody},
    dev::{AppConfig, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse},
    web::ServiceConfig,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Answer, Log};

/// A running server. It ends with this value.
#[derive(Debug)]
pub struct TestApp {
    address: SocketAddr,
    session_cookie_name: String,
    log: Log,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// What a worker serves, with its type erased: the server is compiled once and not for every test.
type Service = boxed::BoxServiceFactory<AppConfig, Request, ServiceResponse<BoxBody>, Error, ()>;

impl TestApp {
    /// Serves that application on a free port, with two workers.
    pub fn start<T, B>(app: impl Fn() -> App<T> + Send + Sync + 'static) -> Self
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        Self::serve(any_port(), 2, app)
    }

    /// With this many workers; for a test that has to know the address first, too.
    pub fn serve<T, B>(
        listener: TcpListener,
        workers: usize,
        app: impl Fn() -> App<T> + Send + Sync + 'static,
    ) -> Self
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let service = move || {
            let service = IntoServiceFactory::into_factory(app());
            boxed::factory(service.map(ServiceResponse::map_into_boxed_body))
        };
        Self::run(listener, workers, Arc::new(service))
    }

    /// Serves these routes on a free port, with one worker.
    pub fn with_routes(routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        Self::serve(any_port(), 1, move || App::new().configure(&routes))
    }

    fn run(
        listener: TcpListener,
        workers: usize,
        service: Arc<dyn Fn() -> Service + Send + Sync>,
    ) -> Self {
        let address = listener.local_addr().expect("it listens");
        let log = Log::default();
        let (sender, receiver) = mpsc::channel();
        let heard = log.clone();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let service = move || {
                    heard.attach();
                    service()
                };
                let server = HttpServer::new(service)
                    .workers(workers)
                    .disable_signals()
                    .listen(listener)
                    .expect("it listens")
                    .run();
                sender.send(server.handle()).expect("the test waits");
                server.await.expect("the server ends in order");
            });
        });
        let handle = receiver.recv().expect("the server starts");
        Self { address, session_cookie_name: "sessionid".into(), log, handle, thread: Some(thread) }
    }

    /// Sends session keys in a cookie of that name, and not `sessionid`.
    #[must_use]
    pub fn with_cookie_name(mut self, name: &str) -> Self {
        self.session_cookie_name = name.into();
        self
    }

    /// Keeps what its workers log from now on.
    #[must_use]
    pub fn with_log(self) -> Self {
        self.log.record();
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What its workers log.
    ///
    /// # Panics
    /// When it keeps no log: see [`with_log`](Self::with_log).
    pub fn log(&self) -> &Log {
        assert!(self.log.records(), "start the server with_log()");
        &self.log
    }

    /// Gets a page as a visitor with this session cookie.
    pub async fn get(&self, path: &str, session_key: &str) -> Answer {
        let cookie = format!("{}={session_key}", self.session_cookie_name);
        self.get_with_cookie(path, cookie.as_bytes()).await
    }

    /// Gets a page as a visitor without a cookie.
    pub async fn get_without_cookie(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// Gets a page with these bytes as the `Cookie` header.
    pub async fn get_with_cookie(&self, path: &str, cookie: &[u8]) -> Answer {
        self.get_with(path, &[("Cookie", cookie)]).await
    }

    /// Gets a page with these headers.
    pub async fn get_with(&self, target: &str, headers: &[(&str, &[u8])]) -> Answer {
        self.send("GET", target, headers).await
    }

    /// The status that a visitor with this session cookie gets.
    pub async fn status(&self, path: &str, session_key: &str) -> u16 {
        self.get(path, session_key).await.status
    }

    /// The JSON that a visitor with this session cookie gets.
    pub async fn json(&self, path: &str, session_key: &str) -> Value {
        self.get(path, session_key).await.json()
    }

    /// Sends a request of exactly these bytes.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn send(&self, method: &str, target: &str, headers: &[(&str, &[u8])]) -> Answer {
        let mut request =
            format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n").into_bytes();
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request.extend(format!("Host: {}\r\n", self.address).bytes());
        }
        for (name, value) in headers {
            request.extend(format!("{name}: ").bytes());
            request.extend(*value);
            request.extend(b"\r\n");
        }
        request.extend(b"\r\n");
        let mut stream = TcpStream::connect(self.address).await.expect("the server listens");
        stream.write_all(&request).await.expect("the server reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("the server answers");
        Answer::parse(&answer)
    }

    /// Ends it, and everything that runs in it.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // The command is sent by the call; the future only waits for it.
        drop(self.handle.stop(false));
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server panicked");
        }
    }
}

/// A listener on a free port.
///
/// # Panics
/// When no port is free.
pub fn any_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port is free")
}
