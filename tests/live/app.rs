//! An actix server of the test's making, and a client that sends the very bytes it is told to.

use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use actix_django_session::{DjangoSession, DjangoUserId, OptionalDjangoSession};
use actix_web::{
    App, Error, HttpServer,
    body::MessageBody,
    dev::{ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse},
    web::{self, Json, ServiceConfig},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use testbed::Log;

/// A running server. It ends with this value.
pub(crate) struct TestApp {
    address: SocketAddr,
    log: Log,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl TestApp {
    pub(crate) fn start<T, B>(app: impl Fn() -> App<T> + Clone + Send + 'static) -> Self
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
    pub(crate) fn serve<T, B>(
        listener: TcpListener,
        workers: usize,
        app: impl Fn() -> App<T> + Clone + Send + 'static,
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
        let address = listener.local_addr().unwrap();
        let log = Log::default();
        let (sender, receiver) = mpsc::channel();
        let heard = log.clone();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    heard.listen();
                    app()
                };
                let server = HttpServer::new(app)
                    .workers(workers)
                    .disable_signals()
                    .listen(listener)
                    .unwrap()
                    .run();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let handle = receiver.recv().unwrap();
        Self { address, log, handle, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Gets a page as a visitor with this session cookie.
    pub(crate) async fn get(&self, path: &str, session_key: &str) -> Answer {
        self.get_with_cookie(path, format!("sessionid={session_key}").as_bytes()).await
    }

    /// Gets a page as a visitor without a cookie.
    pub(crate) async fn get_without_cookie(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// Gets a page with these bytes as the `Cookie` header.
    pub(crate) async fn get_with_cookie(&self, path: &str, cookie: &[u8]) -> Answer {
        self.get_with(path, &[("Cookie", cookie)]).await
    }

    pub(crate) async fn get_with(&self, target: &str, headers: &[(&str, &[u8])]) -> Answer {
        self.send("GET", target, headers).await
    }

    /// A request of these very bytes.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &[u8])],
    ) -> Answer {
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
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Answer::parse(&answer)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // The command is sent by the call; the future only waits for it.
        drop(self.handle.stop(false));
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// What listens on a port that is free.
pub(crate) fn any_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {}", answer.escape_ascii()));
        let head = String::from_utf8_lossy(&answer[..end]);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Self {
            status: status.parse().unwrap(),
            headers: headers.collect(),
            body: answer[end + 4..].to_vec(),
        }
    }

    /// All values of a header, joined as they count.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .headers
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// One route for each thing that a handler can ask for.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/nothing", web::get().to(async || "a page"))
        .route("/session", web::get().to(async |session: DjangoSession| Json(report(&session))))
        .route(
            "/optional",
            web::get()
                .to(async |session: OptionalDjangoSession| Json(session.0.as_ref().map(report))),
        )
        .route("/user", web::get().to(async |DjangoUserId(id): DjangoUserId| id))
        .route("/number", web::get().to(async |id: DjangoUserId<i64>| id.to_string()));
}

/// What a handler sees of a session: `json` is null if it cannot be decoded.
pub(crate) fn report(session: &DjangoSession) -> Value {
    json!({
        "key": session.key().as_str(),
        "json": session.data().ok().map(|data| data.to_json().into_owned()),
        "user_id": session.user_id().unwrap_or_default(),
    })
}
