//! Stands between a pool and PostgreSQL, and can fall silent as networks do.

use std::{
    future::pending,
    iter,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
use tokio_postgres::{Config, config::Host, types::Type};

use crate::until;

/// A relay that records messages and can fall silent. It ends when it is dropped or its runtime
/// ends.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    line: Arc<Line>,
    accepting: JoinHandle<()>,
}

/// A statement and the types of its parameters, as sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its text.
    pub sql: String,
    /// The types that its client named.
    pub types: Vec<Type>,
}

#[derive(Debug)]
struct Line {
    /// Connections with a lower number are silent: messages are dropped, and nothing is closed.
    silent_before: AtomicUsize,
    accepted: AtomicUsize,
    /// Whether new connections are silent as well.
    deaf: AtomicBool,
    /// What clients sent, by connection, after its first message.
    sent: Mutex<Vec<Vec<u8>>>,
    /// A message that each connection sends to the server, as if its client had.
    injected: watch::Sender<Vec<u8>>,
    /// How many injections the server has executed.
    injections: AtomicUsize,
    /// How many executions were counted before.
    counted: AtomicUsize,
}

impl Proxy {
    /// One in front of that server.
    ///
    /// # Panics
    /// When the address has no host, or the relay cannot listen.
    pub async fn before(database_url: &str) -> Self {
        let config: Config = database_url.parse().expect("the address of a database");
        let [Host::Tcp(host)] = config.get_hosts() else { panic!("no host in the address") };
        let server = (host.clone(), config.get_ports()[0]);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let own = listener.local_addr().expect("it listens");
        let url =
            database_url.replace(&format!("@{}:{}/", server.0, server.1), &format!("@{own}/"));
        assert_ne!(url, database_url);
        let line = Arc::new(Line {
            silent_before: AtomicUsize::default(),
            accepted: AtomicUsize::default(),
            deaf: AtomicBool::default(),
            sent: Mutex::default(),
            injected: watch::Sender::default(),
            injections: AtomicUsize::default(),
            counted: AtomicUsize::default(),
        });
        let accepted = Arc::clone(&line);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                accepted.sent().push(Vec::new());
                let number = accepted.accepted.fetch_add(1, SeqCst);
                if accepted.deaf.load(SeqCst) {
                    tokio::spawn(async move {
                        let _client = client;
                        pending::<()>().await;
                    });
                    continue;
                }
                // If the server cannot be reached, the client's connection is closed.
                let server = TcpStream::connect((server.0.as_str(), server.1)).await;
                let Ok(server) = server else { continue };
                drop(client.set_nodelay(true));
                drop(server.set_nodelay(true));
                tokio::spawn(relay(client, server, Arc::clone(&accepted), number));
            }
        });
        Self { url, line, accepting }
    }

    /// The address of the database through the relay.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        self.line.accepted.load(SeqCst)
    }

    /// All present connections fall silent.
    pub fn fall_silent(&self) {
        self.line.silent_before.store(self.accepted(), SeqCst);
    }

    /// New connections fall silent as well.
    pub fn set_deaf(&self, deaf: bool) {
        self.line.deaf.store(deaf, SeqCst);
    }

    /// Makes the server execute this on the one connection, which must be idle. Its client does not
    /// notice.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn inject(&self, sql: &str) {
        let before = self.line.injections.load(SeqCst);
        let mut message = vec![b'Q'];
        message.extend(u32::try_from(sql.len() + 5).expect("a short statement").to_be_bytes());
        message.extend(sql.as_bytes());
        message.push(0);
        self.line.injected.send_replace(message);
        until("it is executed", async || self.line.injections.load(SeqCst) > before).await;
    }

    /// All messages that clients sent: each one's type, and the text that it begins with.
    pub fn messages(&self) -> Vec<(char, String)> {
        let message = |(kind, body): (u8, &[u8])| (char::from(kind), text(&mut &*body));
        self.line.sent().iter().flat_map(|sent| messages(sent).map(message)).collect()
    }

    /// How many executions each connection has sent.
    pub fn executions(&self) -> Vec<usize> {
        let executions = |sent: &Vec<u8>| messages(sent).filter(|(kind, _)| *kind == b'E').count();
        self.line.sent().iter().map(executions).collect()
    }

    /// How many queries were executed since the last call: of prepared statements, and simple ones.
    pub fn executed(&self) -> usize {
        let messages = self.messages();
        let all = messages.iter().filter(|(kind, _)| matches!(kind, 'E' | 'Q')).count();
        all - self.line.counted.swap(all, SeqCst)
    }

    /// The statements that were prepared so far.
    pub fn prepared(&self) -> Vec<Prepared> {
        let sent = self.line.sent();
        let all = sent.iter().flat_map(|sent| messages(sent)).filter(|(kind, _)| *kind == b'P');
        all.map(|(_, body)| Prepared::parse(body)).collect()
    }

    /// Forgets what was sent so far.
    pub fn forget(&self) {
        self.line.counted.store(0, SeqCst);
        self.line.sent().iter_mut().for_each(Vec::clear);
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
            line.sent()[number].extend(&buffer[..length]);
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
                line.injections.fetch_add(1, SeqCst);
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
    fn sent(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_silent(&self, number: usize) -> bool {
        self.silent_before.load(SeqCst) > number
    }
}

/// Every message has a type of one byte and a length. What has not come in whole is left out.
fn messages(mut sent: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    iter::from_fn(move || {
        let (&[kind, a, b, c, d], rest) = sent.split_first_chunk()?;
        let length = (u32::from_be_bytes([a, b, c, d]) as usize).checked_sub(4)?;
        let (body, rest) = rest.split_at_checked(length)?;
        sent = rest;
        Some((kind, body))
    })
}

/// The text before the next NUL; removes both.
fn text(body: &mut &[u8]) -> String {
    let mut parts = body.splitn(2, |&byte| byte == 0);
    let text = parts.next().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
    *body = parts.next().unwrap_or_default();
    text
}

impl Prepared {
    /// The statement's name, its text, and how many parameters of which types.
    fn parse(mut body: &[u8]) -> Self {
        text(&mut body);
        let sql = text(&mut body);
        let (oids, _) = body.get(2..).unwrap_or_default().as_chunks();
        let types = oids.iter().map(|&oid| u32::from_be_bytes(oid));
        Self {
            sql,
            types: types.map(|oid| Type::from_oid(oid).expect("a type of PostgreSQL's")).collect(),
        }
    }
}
