//! Visitors that send requests again and again, each on a keep-alive connection.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    TEST_TIMEOUT,
    scene::{ROUTES, Scene, Visitor},
    service::Service,
    until,
};

/// How long a client waits after a 503; the header says a second.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Requests in flight, until the load is stopped.
pub(crate) struct Load {
    counts: Arc<Counts>,
    clients: Vec<JoinHandle<()>>,
}

/// The answers.
pub(crate) struct Counts {
    start: Instant,
    stopped: AtomicBool,
    sent: AtomicU64,
    right: AtomicU64,
    unavailable: AtomicU64,
    wrong: AtomicU64,
    lost: AtomicU64,
    /// Right answers since the last 503.
    right_in_a_row: AtomicU64,
    /// When the last 503 came, in microseconds since the start.
    last_unavailable: AtomicU64,
    /// The longest wait for an answer, in microseconds.
    slowest: AtomicU64,
    complaints: Mutex<Vec<String>>,
}

impl Load {
    /// Requests of all visitors to all routes, this many in flight.
    pub(crate) fn start(service: &Service, scene: &Scene, in_flight: usize) -> Self {
        Self::of(service, &scene.visitors, &ROUTES, in_flight)
    }

    pub(crate) fn of(
        service: &Service,
        visitors: &[Visitor],
        routes: &[&'static str],
        in_flight: usize,
    ) -> Self {
        let requests: Vec<_> = visitors
            .iter()
            .flat_map(|visitor| routes.iter().map(move |route| (visitor.clone(), *route)))
            .collect();
        let counts = Arc::new(Counts::new());
        let client = |number: usize| {
            let (counts, mut requests) = (Arc::clone(&counts), requests.clone());
            let first = number % requests.len();
            requests.rotate_left(first);
            let address = service.address;
            tokio::spawn(async move {
                let requests = requests.iter().cycle();
                let mut connection = None;
                for (visitor, route) in requests.take_while(|_| !counts.stopped.load(Relaxed)) {
                    counts.ask(&mut connection, address, visitor, route).await;
                }
            })
        };
        let clients = (0..in_flight).map(client).collect();
        Self { counts, clients }
    }

    /// How many requests were answered correctly.
    pub(crate) fn right(&self) -> u64 {
        self.counts.right.load(Relaxed)
    }

    pub(crate) fn unavailable(&self) -> u64 {
        self.counts.unavailable.load(Relaxed)
    }

    /// Waits for this many more right answers.
    pub(crate) async fn serve(&self, more: u64) {
        let goal = self.right() + more;
        until("requests were answered", async || self.right() >= goal).await;
    }

    /// Waits for this many more 503s.
    pub(crate) async fn fail(&self, more: u64) {
        let goal = self.unavailable() + more;
        until("requests were answered with 503", async || self.unavailable() >= goal).await;
    }

    /// Waits until each client has been served several times without a 503. Returns how long after this
    /// call the last 503 came.
    pub(crate) async fn recover(&self, since: Instant) -> Duration {
        let enough = 20 * self.clients.len() as u64;
        let counts = &self.counts;
        counts.right_in_a_row.store(0, Relaxed);
        until("the service resumed", async || counts.right_in_a_row.load(Relaxed) >= enough).await;
        let last = counts.start + Duration::from_micros(counts.last_unavailable.load(Relaxed));
        last.saturating_duration_since(since)
    }

    /// Waits for all answers, prints the counts, and asserts that none was wrong or lost.
    pub(crate) async fn stop(self, fault: &str) -> Arc<Counts> {
        self.counts.stopped.store(true, Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        println!("{fault}: {}", self.counts);
        let complaints = self.counts.complaints.lock().unwrap();
        assert!(complaints.is_empty(), "{fault}: {}: {complaints:#?}", self.counts);
        drop(complaints);
        self.counts
    }
}

impl Counts {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            stopped: AtomicBool::default(),
            sent: AtomicU64::default(),
            right: AtomicU64::default(),
            unavailable: AtomicU64::default(),
            wrong: AtomicU64::default(),
            lost: AtomicU64::default(),
            right_in_a_row: AtomicU64::default(),
            last_unavailable: AtomicU64::default(),
            slowest: AtomicU64::default(),
            complaints: Mutex::default(),
        }
    }

    pub(crate) fn unavailable(&self) -> u64 {
        self.unavailable.load(Relaxed)
    }

    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_micros(self.slowest.load(Relaxed))
    }

    async fn ask(
        &self,
        connection: &mut Option<Connection>,
        address: SocketAddr,
        visitor: &Visitor,
        route: &str,
    ) {
        self.sent.fetch_add(1, Relaxed);
        let start = Instant::now();
        let answer = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(address).await?,
            };
            let answer = open.get(route, visitor.cookie().as_deref()).await?;
            *connection = Some(open);
            io::Result::Ok(answer)
        };
        let answer = match timeout(TEST_TIMEOUT, answer).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(elapsed.into()),
        };
        self.slowest.fetch_max(micros(start.elapsed()), Relaxed);
        match answer {
            Ok(answer) if answer.is_unavailable() => {
                self.unavailable.fetch_add(1, Relaxed);
                self.last_unavailable.fetch_max(micros(self.start.elapsed()), Relaxed);
                self.right_in_a_row.store(0, Relaxed);
                sleep(RETRY_AFTER).await;
            }
            Ok(answer) if answer.is(visitor.right_answer(route)) => {
                self.right.fetch_add(1, Relaxed);
                self.right_in_a_row.fetch_add(1, Relaxed);
            }
            Ok(answer) => {
                self.wrong.fetch_add(1, Relaxed);
                self.complain(format!("{route} told {:?} {answer:?}", visitor.who));
            }
            Err(error) => {
                self.lost.fetch_add(1, Relaxed);
                self.complain(format!("{route} told {:?} nothing: {error}", visitor.who));
            }
        }
    }

    fn complain(&self, complaint: String) {
        let mut complaints = self.complaints.lock().unwrap();
        if complaints.len() < 10 {
            complaints.push(complaint);
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicU64| count.load(Relaxed);
        write!(
            f,
            "{} sent, {} right, {} answered 503, {} wrong, {} lost; the slowest took {:?}",
            count(&self.sent),
            count(&self.right),
            count(&self.unavailable),
            count(&self.wrong),
            count(&self.lost),
            self.slowest(),
        )
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap()
}

/// A client's connection to the service.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    pub(crate) async fn get(&mut self, path: &str, cookie: Option<&str>) -> io::Result<Answer> {
        self.send(path, cookie).await?;
        self.answer().await
    }

    pub(crate) async fn send(&mut self, path: &str, cookie: Option<&str>) -> io::Result<()> {
        let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n");
        self.stream.write_all(request.as_bytes()).await
    }

    /// Resets the connection, so that the server notices at once.
    pub(crate) fn hang_up(self) {
        drop(self.stream.set_zero_linger());
    }

    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let end = loop {
            match self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.receive().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).unwrap_or(0);
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        while self.received.len() < end + length {
            self.receive().await?;
        }
        let body = String::from_utf8_lossy(&self.received[end..end + length]).into_owned();
        self.received.drain(..end + length);
        Ok(Answer { status, headers, body })
    }

    async fn receive(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A right 503: it has `Retry-After` and no details.
    fn is_unavailable(&self) -> bool {
        self.status == 503
            && self.header("retry-after") == Some("1")
            && self.header("vary") == Some("Cookie")
            && self.body.is_empty()
    }

    fn is(&self, (status, body): (u16, String)) -> bool {
        self.status == status && self.body == body && self.header("vary") == Some("Cookie")
    }
}
