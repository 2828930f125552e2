//! A PostgreSQL without sockets, for tests with a stopped clock: it answers, keeps queries waiting as a
//! locked table does, or swallows what is sent as a network does.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::{Connect, Manager, ManagerConfig};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};
use tokio_postgres::{Client, Config, Error, NoTls, Row, types::Type};

use super::{
    batched::Batched,
    kind::Kind,
    pool::Pool,
    server::Server,
    statement::{ONE_KEY, Query, Statement},
};

/// What happens to data sent on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Answers,
    /// Connections can be made; the rows are locked.
    Locked,
    Swallows,
    /// No connection can be made: the application's connector panics.
    Panics,
    /// No connection is accepted, with this error code.
    Refuses(&'static str),
    /// A connection is made after this time.
    Slow(Duration),
    /// Queries fail with this code.
    Fails(&'static str),
    /// The process was ended.
    Ended,
}

/// A server. Clones share it.
#[derive(Clone)]
pub(super) struct TestServer {
    mood_of_new: Arc<Mutex<Mood>>,
    connections: Arc<Mutex<Vec<watch::Sender<Mood>>>>,
    /// The value in the only row.
    row: Arc<AtomicI64>,
    executed: Arc<AtomicUsize>,
    prepared: Arc<AtomicUsize>,
}

impl TestServer {
    pub(super) fn new() -> Self {
        Self {
            mood_of_new: Arc::new(Mutex::new(Mood::Answers)),
            connections: Arc::default(),
            row: Arc::default(),
            executed: Arc::default(),
            prepared: Arc::default(),
        }
    }

    /// Sets the mood of all connections, and of new ones.
    pub(super) fn set(&self, now: Mood, new: Mood) {
        *self.mood_of_new.lock().unwrap() = new;
        for connection in self.connections().iter() {
            connection.send_if_modified(|mood| {
                let is_there = *mood != Mood::Ended;
                if is_there {
                    *mood = now;
                }
                is_there
            });
        }
    }

    /// Sets the mood of new connections.
    pub(super) fn set_new(&self, new: Mood) {
        *self.mood_of_new.lock().unwrap() = new;
    }

    /// How many queries were executed.
    pub(super) fn executed(&self) -> usize {
        self.executed.load(Ordering::Relaxed)
    }

    /// How often a statement was prepared.
    pub(super) fn prepared(&self) -> usize {
        self.prepared.load(Ordering::Relaxed)
    }

    /// Sets the mood of one connection, by the order in which they were made.
    pub(super) fn set_one(&self, index: usize, now: Mood) {
        self.connections()[index].send_replace(now);
    }

    /// Changes the row: later queries read this value.
    pub(super) fn write(&self, value: i64) {
        self.row.store(value, Ordering::Relaxed);
    }

    /// How many connections were ever made.
    pub(super) fn accepted(&self) -> usize {
        self.connections().len()
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.connections().iter().filter(|connection| !connection.is_closed()).count()
    }

    /// The pool of a site.
    pub(super) fn pool(&self, timeout: Duration, max_connections: usize) -> Arc<Pool> {
        Pool::new(self.server(timeout), max_connections)
    }

    fn server(&self, timeout: Duration) -> Server {
        let manager = Manager::from_connect(Config::new(), self.clone(), ManagerConfig::default());
        let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
        Server::new(pool, timeout, true)
    }

    /// Ends a process. Returns whether it was running.
    fn terminate(&self, process: usize) -> bool {
        let connections = self.connections();
        let connection = &connections[process - 1];
        connection.send_replace(Mood::Ended);
        !connection.is_closed()
    }

    fn connections(&self) -> MutexGuard<'_, Vec<watch::Sender<Mood>>> {
        self.connections.lock().unwrap()
    }
}

impl Connect for TestServer {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let config = config.clone();
        async move {
            let mut config = config;
            config.user("anybody");
            let (ours, theirs) = duplex(1 << 16);
            let mood = *self.mood_of_new.lock().unwrap();
            assert_ne!(mood, Mood::Panics);
            if let Mood::Slow(delay) = mood {
                sleep(delay).await;
            }
            let (sender, mood) = watch::channel(mood);
            let process = {
                let mut connections = self.connections();
                connections.push(sender);
                connections.len()
            };
            tokio::spawn(serve(theirs, mood, self.clone(), process));
            let (client, connection) = config.connect_raw(ours, NoTls).await?;
            Ok((client, tokio::spawn(connection.map(drop))))
        }
        .boxed()
    }
}

/// Writes a message of this kind and content.
fn message(to: &mut Vec<u8>, kind: u8, content: &[&[u8]]) {
    let length: usize = content.iter().map(|part| part.len()).sum();
    to.push(kind);
    to.extend(u32::try_from(length + 4).unwrap().to_be_bytes());
    content.iter().for_each(|part| to.extend(*part));
}

/// Serves until the client goes away or the process is ended.
async fn serve(
    stream: DuplexStream,
    mut mood: watch::Receiver<Mood>,
    server: TestServer,
    process: usize,
) {
    let mut ends = mood.clone();
    tokio::select! {
        biased;
        _ = ends.wait_for(|mood| *mood == Mood::Ended) => {}
        _ = converse(stream, &mut mood, &server, process) => {}
    }
}

async fn converse(
    mut stream: DuplexStream,
    mood: &mut watch::Receiver<Mood>,
    server: &TestServer,
    process: usize,
) -> std::io::Result<()> {
    let length = stream.read_u32().await? as usize;
    stream.read_exact(&mut vec![0; length - 4]).await?;
    let mut answer = Vec::new();
    let refuses = match *mood.borrow() {
        Mood::Refuses(code) => Some(code),
        _ => None,
    };
    if let Some(code) = refuses {
        error(&mut answer, "FATAL", code);
        return stream.write_all(&answer).await;
    }
    message(&mut answer, b'R', &[&[0; 4]]);
    message(&mut answer, b'K', &[&u32::try_from(process).unwrap().to_be_bytes(), &[0; 4]]);
    message(&mut answer, b'Z', &[b"I"]);
    let mut statement = Spoken::default();
    loop {
        if *mood.borrow() == Mood::Swallows {
            answer.clear();
        }
        stream.write_all(&answer).await?;
        answer.clear();
        let mut executes = false;
        loop {
            let kind = stream.read_u8().await?;
            let length = stream.read_u32().await? as usize;
            let mut content = vec![0; length - 4];
            stream.read_exact(&mut content).await?;
            match kind {
                b'P' => {
                    statement = Spoken::parsed(&content);
                    let asks = usize::from(statement.kind == SpokenKind::Asks);
                    server.prepared.fetch_add(asks, Ordering::Relaxed);
                    message(&mut answer, b'1', &[]);
                }
                b'B' => {
                    statement.bind(&content);
                    message(&mut answer, b'2', &[]);
                }
                b'D' => statement.describe(&mut answer),
                b'E' => {
                    executes = true;
                    let asks = usize::from(statement.kind == SpokenKind::Asks);
                    server.executed.fetch_add(asks, Ordering::Relaxed);
                    let fails = match *mood.borrow() {
                        Mood::Fails(code) if statement.kind == SpokenKind::Asks => Some(code),
                        _ => None,
                    };
                    match fails {
                        Some(code) => error(&mut answer, "ERROR", code),
                        None => statement.execute(server, &mut answer),
                    }
                }
                b'S' => break,
                _ => {}
            }
        }
        message(&mut answer, b'Z', &[b"I"]);
        if executes && statement.kind == SpokenKind::Asks {
            let goes_on = |mood: &Mood| *mood != Mood::Locked;
            // A process that waits for a lock does not notice that the client has gone.
            drop(mood.wait_for(goes_on).await);
        }
    }
}

fn error(to: &mut Vec<u8>, severity: &str, code: &str) {
    let fields = format!("S{severity}\0V{severity}\0C{code}\0Mas the test wants it\0\0");
    message(to, b'E', &[fields.as_bytes()]);
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum SpokenKind {
    #[default]
    Asks,
    SetsUp,
    Terminates,
}

/// A statement, as far as it matters here: it returns a number, or true, and the value of the row.
#[derive(Default)]
struct Spoken {
    kind: SpokenKind,
    nonce: i64,
    types: Vec<u8>,
    /// The first parameter, if the statement ends a process.
    process: usize,
}

impl Spoken {
    fn parsed(content: &[u8]) -> Self {
        let mut parts = content.splitn(3, |byte| *byte == 0);
        let sql = std::str::from_utf8(parts.nth(1).unwrap()).unwrap();
        let digits: String = sql.chars().skip(7).take_while(char::is_ascii_digit).collect();
        let kind = match sql {
            _ if sql.contains("pg_terminate_backend") => SpokenKind::Terminates,
            _ if sql.contains("pg_backend_pid") => SpokenKind::SetsUp,
            _ => SpokenKind::Asks,
        };
        let nonce = digits.parse().unwrap_or_default();
        Self { kind, nonce, types: parts.next().unwrap().to_vec(), process: 0 }
    }

    fn bind(&mut self, content: &[u8]) {
        if self.kind == SpokenKind::Terminates {
            // An integer of four bytes and one of eight, each after its length, then the formats of the
            // results.
            let process = content.len() - 4 - 8 - 4 - 4;
            let bytes = content[process..process + 4].try_into().unwrap();
            self.process = u32::from_be_bytes(bytes) as usize;
        }
    }

    fn describe(&self, to: &mut Vec<u8>) {
        // The types of the parameters, as they came.
        message(to, b't', &[&self.types]);
        let kind = if self.kind == SpokenKind::Asks { Type::INT8 } else { Type::BOOL };
        let column =
            |kind: Type| [b"c\0", &[0; 6][..], &kind.oid().to_be_bytes(), &[0; 8]].concat();
        message(to, b'T', &[&[0, 2], &column(kind), &column(Type::INT8)]);
    }

    fn execute(&self, server: &TestServer, to: &mut Vec<u8>) {
        if self.kind == SpokenKind::Terminates && !server.terminate(self.process) {
            return message(to, b'C', &[b"SELECT 0\0"]);
        }
        let row = server.row.load(Ordering::Relaxed);
        let nonce = self.nonce.to_be_bytes();
        let value = if self.kind == SpokenKind::Asks { &nonce } else { &[1][..] };
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        message(to, b'D', &[&[0, 2], &length, value, &[0, 0, 0, 8], &row.to_be_bytes()]);
        message(to, b'C', &[b"SELECT 1\0"]);
    }
}

/// A table where every key has the same row.
pub(super) struct TestTable {
    statement: Arc<Statement>,
}

/// From this key on, answers are large.
pub(super) const LARGE: i64 = 1 << 20;

impl TestTable {
    pub(super) fn new() -> Self {
        let sql = |nonce: &str| format!("SELECT {nonce} FROM {ONE_KEY}");
        Self { statement: Statement::new(&[Type::INT8], sql) }
    }

    pub(super) fn query(&self) -> Query {
        self.statement.with(vec![Box::new(0_i64)])
    }
}

impl Batched for TestTable {
    type Key = i64;
    type Answer = i64;

    const KIND: Kind = Kind::Sessions;
    const MANY: usize = 1;

    fn one(&self, key: &i64) -> Query {
        self.statement.with(vec![Box::new(*key)])
    }

    fn many(&self, keys: &[i64]) -> Query {
        self.one(&keys[0])
    }

    fn is_large(&self, key: &i64) -> bool {
        *key >= LARGE
    }

    fn read(&self, keys: &[i64], rows: Vec<Row>) -> Vec<Option<i64>> {
        vec![rows[0].try_get(1).ok(); keys.len()]
    }

    fn by_itself(&self, _: &i64) -> Option<(Query, i64)> {
        None
    }
}
