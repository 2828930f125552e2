//! A PostgreSQL without sockets, for tests that stop the clock: it answers, keeps who asks waiting as
//! a locked table does, or swallows what is sent, as a network does.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::watch,
    task::JoinHandle,
};
use tokio_postgres::{Client, Config, Error, NoTls, Row, types::Type};

use super::{Lookup, Manner, ONE_KEY, Query, Question, Server};

/// What happens to what is sent on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Answers,
    /// The connection can be made, and the rows are not to be had.
    Locked,
    Swallows,
    /// No connection can be made: the application's own connector panics.
    Panics,
}

/// Its clones are one server.
#[derive(Clone)]
pub(super) struct TestServer {
    mood_of_new: Arc<Mutex<Mood>>,
    connections: Arc<Mutex<Vec<watch::Sender<Mood>>>>,
    /// What stands in the only row.
    row: Arc<AtomicI64>,
}

impl TestServer {
    pub(super) fn new() -> Self {
        Self {
            mood_of_new: Arc::new(Mutex::new(Mood::Answers)),
            connections: Arc::default(),
            row: Arc::default(),
        }
    }

    /// How all connections are from now on, and how new ones will be.
    pub(super) fn set(&self, now: Mood, new: Mood) {
        *self.mood_of_new.lock().unwrap() = new;
        for connection in self.connections().iter() {
            connection.send_replace(now);
        }
    }

    /// How the connection is from now on that was made first.
    pub(super) fn set_first(&self, now: Mood) {
        self.connections()[0].send_replace(now);
    }

    /// Changes the row: whoever asks from now on reads this.
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

    pub(super) fn server(&self, timeout: Duration) -> Arc<Server> {
        let manager = Manager::from_connect(Config::new(), self.clone(), ManagerConfig::default());
        let pool = Pool::builder(manager).build().unwrap();
        Arc::new(Server::new(pool, timeout, true))
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
            let (sender, mood) = watch::channel(mood);
            self.connections().push(sender);
            tokio::spawn(serve(theirs, mood, Arc::clone(&self.row)));
            let (client, connection) = config.connect_raw(ours, NoTls).await?;
            Ok((client, tokio::spawn(connection.map(drop))))
        }
        .boxed()
    }
}

/// The kind of an answer and what is in it.
fn message(to: &mut Vec<u8>, kind: u8, content: &[&[u8]]) {
    let length: usize = content.iter().map(|part| part.len()).sum();
    to.push(kind);
    to.extend(u32::try_from(length + 4).unwrap().to_be_bytes());
    content.iter().for_each(|part| to.extend(*part));
}

/// Until the client goes away.
async fn serve(stream: DuplexStream, mut mood: watch::Receiver<Mood>, row: Arc<AtomicI64>) {
    drop(converse(stream, &mut mood, &row).await);
}

async fn converse(
    mut stream: DuplexStream,
    mood: &mut watch::Receiver<Mood>,
    row: &AtomicI64,
) -> std::io::Result<()> {
    let length = stream.read_u32().await? as usize;
    stream.read_exact(&mut vec![0; length - 4]).await?;
    let mut answer = Vec::new();
    message(&mut answer, b'R', &[&[0; 4]]);
    message(&mut answer, b'K', &[&[0, 0, 0, 1], &[0; 4]]);
    message(&mut answer, b'Z', &[b"I"]);
    let mut asked = Statement::default();
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
                    asked = Statement::parsed(&content);
                    message(&mut answer, b'1', &[]);
                }
                b'B' => message(&mut answer, b'2', &[]),
                b'D' => asked.describe(&mut answer),
                b'E' => {
                    executes = true;
                    asked.row(row.load(Ordering::Relaxed), &mut answer);
                }
                b'S' => break,
                _ => {}
            }
        }
        message(&mut answer, b'Z', &[b"I"]);
        if executes && !asked.settles {
            let goes_on = |mood: &Mood| *mood != Mood::Locked;
            // Whoever waits for a lock does not notice that the client has gone.
            drop(mood.wait_for(goes_on).await);
        }
    }
}

/// A statement as far as it matters here: a number comes back, or a yes, and what is in the row.
#[derive(Default)]
struct Statement {
    settles: bool,
    proof: i64,
    types: Vec<u8>,
}

impl Statement {
    fn parsed(content: &[u8]) -> Self {
        let mut parts = content.splitn(3, |byte| *byte == 0);
        let sql = std::str::from_utf8(parts.nth(1).unwrap()).unwrap();
        let digits: String = sql.chars().skip(7).take_while(char::is_ascii_digit).collect();
        Self {
            settles: sql.contains("pg_backend_pid"),
            proof: digits.parse().unwrap_or_default(),
            types: parts.next().unwrap().to_vec(),
        }
    }

    fn describe(&self, to: &mut Vec<u8>) {
        // The types of the parameters, as they came.
        message(to, b't', &[&self.types]);
        let kind = if self.settles { Type::BOOL } else { Type::INT8 };
        let column =
            |kind: Type| [b"c\0", &[0; 6][..], &kind.oid().to_be_bytes(), &[0; 8]].concat();
        message(to, b'T', &[&[0, 2], &column(kind), &column(Type::INT8)]);
    }

    fn row(&self, row: i64, to: &mut Vec<u8>) {
        let proof = self.proof.to_be_bytes();
        let value = if self.settles { &[1][..] } else { &proof };
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        message(to, b'D', &[&[0, 2], &length, value, &[0, 0, 0, 8], &row.to_be_bytes()]);
        message(to, b'C', &[b"SELECT 1\0"]);
    }
}

/// A lookup in a table where every key has the same row.
pub(super) struct TestLookup(Arc<Query>);

impl TestLookup {
    pub(super) fn new() -> Arc<Self> {
        let sql = |proof: &str| format!("SELECT {proof} FROM {ONE_KEY}");
        Arc::new(Self(Query::new(&[Type::INT8], sql)))
    }
}

impl Lookup for TestLookup {
    type Key = i64;
    type Answer = i64;

    const MANNER: Manner =
        Manner { at_once: 256, many: 1, connections: 2, spreads: false, repeats: true };

    fn one(&self, key: &i64) -> Question {
        Question::new(&self.0, vec![Box::new(*key)])
    }

    fn many(&self, keys: &[i64]) -> Question {
        self.one(&keys[0])
    }

    fn read(&self, keys: &[i64], rows: Vec<Row>) -> Vec<Option<i64>> {
        vec![rows[0].try_get(1).ok(); keys.len()]
    }

    fn by_itself(&self, _: &i64) -> Option<(Question, i64)> {
        None
    }
}
