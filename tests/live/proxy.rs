//! Stands between a pool and PostgreSQL and counts the queries that go by.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use deadpool_postgres::Pool;
use tokio_postgres::{Config, types::Type};

use crate::user_beds::pool;

/// A relay that reads along. Ends with the test process.
pub(crate) struct Proxy {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

/// A statement and the types of its parameters, as sent.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) sql: String,
    pub(crate) types: Vec<Type>,
}

/// What the clients sent.
#[derive(Debug, Default)]
struct Seen {
    /// Executions of prepared statements, and simple queries.
    executed: usize,
    prepared: Vec<Prepared>,
}

impl Proxy {
    pub(crate) fn before(database_url: &str) -> Self {
        let config: Config = database_url.parse().unwrap();
        let port = config.get_ports()[0];
        let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else {
            panic!("a server on a network")
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        let url = database_url.replace(&format!("@{host}:{port}/"), &format!("@{own}/"));
        assert_ne!(url, database_url);

        let seen = Arc::new(Mutex::new(Seen::default()));
        let (heard, server) = (Arc::clone(&seen), (host.clone(), port));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let (from_server, to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                let heard = Arc::clone(&heard);
                thread::spawn(move || relay_messages(client, server, &heard));
                thread::spawn(move || copy(from_server, to_client));
            }
        });
        Self { url, seen }
    }

    pub(crate) fn pool(&self) -> Pool {
        pool(&self.url)
    }

    /// How many queries were executed since the last call.
    pub(crate) fn executed(&self) -> usize {
        std::mem::take(&mut self.seen.lock().unwrap().executed)
    }

    /// The statements that were prepared so far.
    pub(crate) fn prepared(&self) -> Vec<Prepared> {
        self.seen.lock().unwrap().prepared.clone()
    }
}

impl Prepared {
    /// The statement's name, its text, and how many parameters of which types.
    fn parse(body: &[u8]) -> Self {
        let mut parts = body.splitn(3, |&byte| byte == 0).skip(1);
        let sql = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        let types = parts.next().unwrap()[2..].chunks(4);
        let types = types.map(|oid| u32::from_be_bytes(oid.try_into().unwrap()));
        Self { sql, types: types.map(|oid| Type::from_oid(oid).unwrap()).collect() }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Both));
}

/// Every message of a client has a type of one byte and a length, but the first has no type.
fn relay_messages(mut client: TcpStream, mut server: TcpStream, seen: &Mutex<Seen>) {
    let mut kind = None;
    let mut first = true;
    loop {
        if !first {
            let mut byte = [0];
            if client.read_exact(&mut byte).is_err() {
                break;
            }
            kind = Some(byte[0]);
        }
        first = false;
        let mut length = [0; 4];
        if client.read_exact(&mut length).is_err() {
            break;
        }
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        if client.read_exact(&mut body).is_err() {
            break;
        }
        match kind {
            Some(b'E' | b'Q') => seen.lock().unwrap().executed += 1,
            Some(b'P') => seen.lock().unwrap().prepared.push(Prepared::parse(&body)),
            _ => {}
        }
        let message = [kind.as_slice(), &length, &body].concat();
        if server.write_all(&message).is_err() {
            break;
        }
    }
    drop(server.shutdown(Shutdown::Both));
}
