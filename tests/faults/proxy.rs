//! Stands between a pool and PostgreSQL, and can do what networks do: fall silent.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};
use tokio_postgres::{Config, config::Host};

use crate::until;

/// A relay, until it is dropped.
pub(crate) struct Proxy {
    url: String,
    line: Arc<Line>,
    accepting: JoinHandle<()>,
}

struct Line {
    /// Connections with a lower number are silent: what comes is swallowed, nothing is closed.
    silent_before: AtomicUsize,
    accepted: AtomicUsize,
    /// Whether new connections are silent as well.
    deaf: AtomicBool,
    /// What clients sent, by connection, after its first message.
    sent: Mutex<Vec<Vec<u8>>>,
    /// To be sent to the server by each connection, as if its client had.
    injected: watch::Sender<Vec<u8>>,
    executed: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn before(database_url: &str) -> Self {
        let config: Config = database_url.parse().unwrap();
        let [Host::Tcp(host)] = config.get_hosts() else { panic!("no host in the address") };
        let server = (host.clone(), config.get_ports()[0]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        let url =
            database_url.replace(&format!("@{}:{}/", server.0, server.1), &format!("@{own}/"));
        assert_ne!(url, database_url);
        let line = Arc::new(Line {
            silent_before: AtomicUsize::default(),
            accepted: AtomicUsize::default(),
            deaf: AtomicBool::default(),
            sent: Mutex::default(),
            injected: watch::Sender::default(),
            executed: AtomicUsize::default(),
        });
        let accepted = Arc::clone(&line);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                accepted.sent.lock().unwrap().push(Vec::new());
                let number = accepted.accepted.fetch_add(1, SeqCst);
                if accepted.deaf.load(SeqCst) {
                    tokio::spawn(async move {
                        let _client = client;
                        pending::<()>().await;
                    });
                    continue;
                }
                let server = TcpStream::connect((server.0.as_str(), server.1)).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                tokio::spawn(relay(client, server, Arc::clone(&accepted), number));
            }
        });
        Self { url, line, accepting }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.line.accepted.load(SeqCst)
    }

    /// All connections of now die without a sign.
    pub(crate) fn fall_silent(&self) {
        self.line.silent_before.store(self.accepted(), SeqCst);
    }

    /// New ones, too, get no answer.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.line.deaf.store(deaf, SeqCst);
    }

    /// Has the server execute this on the one connection, which must be idle; its client does not
    /// notice.
    pub(crate) async fn inject(&self, sql: &str) {
        let before = self.line.executed.load(SeqCst);
        let mut message = vec![b'Q'];
        message.extend(u32::try_from(sql.len() + 5).unwrap().to_be_bytes());
        message.extend(sql.as_bytes());
        message.push(0);
        self.line.injected.send_replace(message);
        until("it is executed", async || self.line.executed.load(SeqCst) > before).await;
    }

    /// All messages that clients sent: each one's type, and the text that it begins with.
    pub(crate) fn messages(&self) -> Vec<(char, String)> {
        self.line.sent.lock().unwrap().iter().flat_map(|sent| messages(sent)).collect()
    }

    /// How many executions each connection was asked for.
    pub(crate) fn executions(&self) -> Vec<usize> {
        let executions =
            |sent: &Vec<u8>| messages(sent).iter().filter(|(kind, _)| *kind == 'E').count();
        self.line.sent.lock().unwrap().iter().map(executions).collect()
    }

    /// Forgets what was sent so far.
    pub(crate) fn forget(&self) {
        self.line.sent.lock().unwrap().iter_mut().for_each(Vec::clear);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(client: TcpStream, server: TcpStream, line: Arc<Line>, number: usize) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let injected = AtomicBool::new(false);
    tokio::join!(
        requests(from_client, to_server, &line, number, &injected),
        answers(from_server, to_client, &line, number, &injected),
    );
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    line: &Line,
    number: usize,
    injected: &AtomicBool,
) {
    let mut injections = line.injected.subscribe();
    let mut is_first = true;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or_default(),
            _ = injections.changed() => {
                let message = injections.borrow_and_update().clone();
                injected.store(true, SeqCst);
                drop(to.write_all(&message).await);
                continue;
            }
        };
        if length == 0 {
            break;
        }
        if line.is_silent(number) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            line.sent.lock().unwrap()[number].extend(&buffer[..length]);
        }
        drop(to.write_all(&buffer[..length]).await);
    }
    if !line.is_silent(number) {
        drop(to.shutdown().await);
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    line: &Line,
    number: usize,
    injected: &AtomicBool,
) {
    const READY: &[u8] = b"Z\0\0\0\x05I";

    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let answer = &buffer[..length];
        if injected.load(SeqCst) {
            if answer.ends_with(READY) {
                injected.store(false, SeqCst);
                line.executed.fetch_add(1, SeqCst);
            }
        } else if !line.is_silent(number) {
            drop(to.write_all(answer).await);
        }
    }
    if line.is_silent(number) {
        pending::<()>().await;
    }
}

impl Line {
    fn is_silent(&self, number: usize) -> bool {
        self.silent_before.load(SeqCst) > number
    }
}

fn messages(mut sent: &[u8]) -> Vec<(char, String)> {
    let mut messages = Vec::new();
    while let [kind, a, b, c, d, rest @ ..] = sent {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
        let text = rest[..length].split(|byte| *byte == 0).next().unwrap_or_default();
        messages.push((char::from(*kind), String::from_utf8_lossy(text).into_owned()));
        sent = &rest[length..];
    }
    messages
}
