//! Load: one thread, one epoll, requests that were built beforehand, every response checked.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream as StdTcpStream},
    ops::Range,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{Result, stats::Rng};

/// A server that says nothing for so long is broken.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A request and the only response that is right.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    status: u16,
    body: Vec<u8>,
}

impl Request {
    /// With the credential in this header, if there is one: its name and value.
    pub(crate) fn get(
        path: &str,
        credential: Option<(&str, &str)>,
        status: u16,
        body: String,
    ) -> Self {
        let header = credential.map(|(name, value)| format!("{name}: {value}\r\n"));
        let header = header.unwrap_or_default();
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n").into_bytes();
        Self { bytes, status, body: body.into_bytes() }
    }
}

/// When connections stop asking. What was asked is always waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Elapsed(Duration),
    Answered(usize),
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Of every request, in nanoseconds, in the order of the responses.
    pub(crate) latencies: Vec<u32>,
    /// How many responses came before the time was up.
    pub(crate) in_time: usize,
    /// Until the last response.
    pub(crate) elapsed: Duration,
}

/// Keep-alive connections to one server. Each sends its next request when it has the response.
pub(crate) struct Load<'a> {
    address: SocketAddr,
    requests: &'a [Request],
    /// How often each is asked before another one is.
    in_a_row: usize,
    /// Those that are asked in their order, before others are drawn at random.
    in_order: Range<usize>,
    rng: Rng,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    request: usize,
    /// How often that is still to be asked.
    again: usize,
    sent: Instant,
}

impl<'a> Load<'a> {
    pub(crate) fn new(
        address: SocketAddr,
        connections: usize,
        requests: &'a [Request],
        in_a_row: usize,
        rng: Rng,
    ) -> Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..connections).map(|index| connect(address, &poll, index));
        Ok(Self {
            address,
            requests,
            in_a_row,
            in_order: 0..0,
            rng,
            connections: connections.collect::<io::Result<_>>()?,
            poll,
            events: Events::with_capacity(1024),
        })
    }

    /// Asks everything once.
    pub(crate) fn run_through(&mut self) -> Result<Answers> {
        self.in_order = 0..self.requests.len();
        self.run(Until::Answered(self.requests.len()))
    }

    /// Keeps every connection busy, then waits for the last responses.
    pub(crate) fn run(&mut self, until: Until) -> Result<Answers> {
        let mut answers = Answers::default();
        let start = Instant::now();
        let mut waiting = 0;
        for index in 0..self.connections.len() {
            self.send(index, Instant::now())?;
            waiting += 1;
        }
        while waiting > 0 {
            self.poll.poll(&mut self.events, Some(TIMEOUT))?;
            if self.events.is_empty() {
                return Err(format!("no response for {TIMEOUT:?}").into());
            }
            let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
            for index in ready {
                let Some(stays_open) = self.receive(index)? else { continue };
                let now = Instant::now();
                let nanoseconds = now.duration_since(self.connections[index].sent).as_nanos();
                answers.latencies.push(nanoseconds.try_into().unwrap_or(u32::MAX));
                let (in_time, goes_on) = match until {
                    Until::Elapsed(window) => {
                        let in_time = now.duration_since(start) < window;
                        (in_time, in_time)
                    }
                    Until::Answered(count) => (true, answers.latencies.len() + waiting <= count),
                };
                answers.in_time += usize::from(in_time);
                if !stays_open {
                    // A server without keep-alive makes its clients connect again each time.
                    let connection = connect(self.address, &self.poll, index)?;
                    let Connection { request, again, .. } = self.connections[index];
                    self.connections[index] = Connection { request, again, ..connection };
                }
                if goes_on {
                    self.send(index, now)?;
                } else {
                    waiting -= 1;
                }
            }
        }
        answers.elapsed = start.elapsed();
        Ok(answers)
    }

    fn send(&mut self, index: usize, now: Instant) -> io::Result<()> {
        let connection = &mut self.connections[index];
        match connection.again.checked_sub(1) {
            Some(again) => connection.again = again,
            None => {
                let at_random = || self.rng.below(self.requests.len());
                connection.request = self.in_order.next().unwrap_or_else(at_random);
                connection.again = self.in_a_row - 1;
            }
        }
        let request = connection.request;
        connection.sent = now;
        // A request is far smaller than any socket's buffer, so one write takes all of it.
        connection.stream.write_all(&self.requests[request].bytes)
    }

    /// Whether the connection stays open, when the response is complete and right.
    fn receive(&mut self, index: usize) -> Result<Option<bool>> {
        let connection = &mut self.connections[index];
        let mut chunk = [0; 4096];
        loop {
            match connection.stream.read(&mut chunk) {
                Ok(0) => {
                    let so_far = connection.received.escape_ascii();
                    return Err(format!("the server hung up after \"{so_far}\"").into());
                }
                Ok(count) => connection.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            let Some(response) = Response::parse(&connection.received)? else { continue };
            let request = &self.requests[connection.request];
            if response.status != request.status || response.body != request.body {
                return Err(format!(
                    "wrong response:\n{}\nto the request:\n{}\nright is {} {:?}",
                    String::from_utf8_lossy(&connection.received),
                    String::from_utf8_lossy(&request.bytes),
                    request.status,
                    String::from_utf8_lossy(&request.body),
                )
                .into());
            }
            let stays_open = response.keeps_alive;
            connection.received.clear();
            return Ok(Some(stays_open));
        }
    }
}

fn connect(address: SocketAddr, poll: &Poll, index: usize) -> io::Result<Connection> {
    let stream = StdTcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
    Ok(Connection { stream, received: Vec::new(), request: 0, again: 0, sent: Instant::now() })
}

struct Response<'a> {
    status: u16,
    keeps_alive: bool,
    body: &'a [u8],
}

impl<'a> Response<'a> {
    /// `None` while some of it is missing.
    fn parse(bytes: &'a [u8]) -> Result<Option<Self>> {
        let Some(head_length) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, rest) = (&bytes[..head_length], &bytes[head_length + 4..]);
        let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let status = lines.next().and_then(|line| line.get(9..12)).and_then(digits);
        let mut length = None;
        let mut keeps_alive = true;
        for line in lines {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                length = digits(value);
            } else if name.eq_ignore_ascii_case(b"connection") {
                keeps_alive = !value.eq_ignore_ascii_case(b"close");
            }
        }
        let (Some(status), Some(length)) = (status, length) else {
            return Err(format!("no response of known length: \"{}\"", bytes.escape_ascii()).into());
        };
        if rest.len() > length {
            return Err(format!("too much of a response: \"{}\"", bytes.escape_ascii()).into());
        }
        let complete = rest.len() == length;
        Ok(complete.then_some(Self { status: status as u16, keeps_alive, body: rest }))
    }
}

fn digits(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
