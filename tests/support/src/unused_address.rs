use std::{net::SocketAddr, sync::OnceLock};

use tokio::net::TcpSocket;

/// An address on which no process listens, as long as this process lives. Its port stays bound,
/// because a port that was given back would soon belong to another process.
///
/// # Panics
/// When there is no port left.
pub fn unused_address() -> SocketAddr {
    static TAKEN: OnceLock<(TcpSocket, SocketAddr)> = OnceLock::new();

    let take = || {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let address = socket.local_addr()?;
        std::io::Result::Ok((socket, address))
    };
    TAKEN.get_or_init(|| take().expect("a port is free")).1
}
