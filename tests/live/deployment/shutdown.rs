//! A process that gets the signal to end while WebSockets and streams are open.

use std::time::Duration;

use awc::ws::Frame;
use futures_util::StreamExt;
use testbed::{Example, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::beds::Bed;

const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Starts the example, with this `shutdown_timeout` in seconds; also returns ada's session cookie.
async fn example(bed: &Bed, shutdown_timeout: &str) -> (Example, String) {
    let environment = [("ALLOWED_HOSTS", "127.0.0.1"), ("SHUTDOWN_TIMEOUT", shutdown_timeout)];
    let example = Example::run("websocket", bed.url(), &environment).unwrap();
    (example, format!("sessionid={}", bed.login("ada").await))
}

async fn is_gone(example: &mut Example) {
    let what = "the process has ended by itself";
    until(what, async || example.ended().unwrap().is_some()).await;
    assert!(example.ended().unwrap().unwrap().success());
}

/// The timeout is an hour, so the process ends only because the clients leave.
#[testbed::test]
async fn a_shutdown_closes_websockets_and_event_streams() {
    let (mut example, cookie) = example(Bed::shared().await, "3600").await;
    let client = awc::Client::builder().timeout(LONGEST_WAIT).finish();
    let url = format!("{}/live/socket", example.url());
    let request = client.ws(url).origin(example.url()).header("Cookie", &*cookie);
    let (_, mut socket) = request.connect().await.unwrap();
    let client = testbed::http_client().build().unwrap();
    let events = client.get(format!("{}/live/events", example.url())).header("Cookie", &cookie);
    let mut events = events.send().await.unwrap();
    assert!(events.chunk().await.unwrap().is_some());

    example.terminate().unwrap();
    match timeout(LONGEST_WAIT, socket.next()).await.unwrap().unwrap().unwrap() {
        Frame::Close(reason) => assert_eq!(u16::from(reason.unwrap().code), 1001),
        other => panic!("{other:?}"),
    }
    // The stream ends as a complete response does; it is not cut off.
    while timeout(LONGEST_WAIT, events.chunk()).await.unwrap().unwrap().is_some() {}
    is_gone(&mut example).await;
}

/// The `shutdown_timeout` disconnects a client that does not read.
#[testbed::test]
async fn a_client_that_does_not_read_does_not_delay_the_shutdown() {
    let (mut example, cookie) = example(Bed::shared().await, "1").await;
    let address = example.url().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let handshake = format!(
        "GET /live/socket HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    // Sends texts for the echo until the buffers are full of unread replies.
    let mut text = vec![0x81, 0xfe, 0x40, 0x00, 0, 0, 0, 0];
    text.extend([b'x'; 0x4000]);
    while timeout(Duration::from_secs(1), stream.write_all(&text)).await.is_ok() {}

    example.terminate().unwrap();
    is_gone(&mut example).await;
}
