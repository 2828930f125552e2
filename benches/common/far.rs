//! A database that is some way off: a relay that delays what it passes on.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tokio_postgres::{Config, config::Host};

use super::Result;

/// There and back.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(1);

/// The address of a relay in front of this database. It ends with the process.
pub(crate) fn relay(database_url: &str) -> Result<String> {
    let config: Config = database_url.parse()?;
    let [Host::Tcp(host)] = config.get_hosts() else { return Err("no host to relay to".into()) };
    let server = (host.clone(), config.get_ports()[0]);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own = listener.local_addr()?;
    let url = database_url.replace(&format!("@{}:{}/", server.0, server.1), &format!("@{own}/"));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect((server.0.as_str(), server.1)) else { continue };
            drop((client.set_nodelay(true), server.set_nodelay(true)));
            let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else {
                continue;
            };
            pass_on(client, to_server);
            pass_on(server, to_client);
        }
    });
    Ok(url)
}

/// What comes is written half a round trip later, however much comes in between.
fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + ROUND_TRIP / 2;
            if sender.send((due, buffer[..length].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
    });
}
