//! The process id that a connection was told when it was made: that of the server, or one that a pooler
//! made up.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Client,
    tls::{ChannelBinding, TlsConnect, TlsStream},
};

/// Returns the process id that this connection was told. PostgreSQL tells the id of the process that
/// serves the connection; a pooler makes one up.
///
/// tokio-postgres exposes the number only in the request to cancel a query: so that request is written to
/// a stream that only keeps it.
pub(super) async fn of(client: &Client) -> Option<i32> {
    let mut request = Vec::new();
    client.cancel_token().cancel_query_raw(Capture(&mut request), NoTls).await.ok()?;
    // Length, code, process, secret: four bytes each.
    let [.., a, b, c, d, _, _, _, _] = *request else { return None };
    Some(i32::from_be_bytes([a, b, c, d]))
}

/// A stream that keeps what is written, and answers a request for TLS with yes.
struct Capture<'a>(&'a mut Vec<u8>);

impl AsyncRead for Capture<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Capture<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Capture<'_> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// A stream that only keeps data needs no encryption.
struct NoTls;

impl<'a> TlsConnect<Capture<'a>> for NoTls {
    type Stream = Capture<'a>;
    type Error = Infallible;
    type Future = Ready<Result<Capture<'a>, Infallible>>;

    fn connect(self, stream: Capture<'a>) -> Self::Future {
        ready(Ok(stream))
    }
}
