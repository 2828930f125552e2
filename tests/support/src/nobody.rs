use std::{net::SocketAddr, sync::OnceLock};

use tokio::net::TcpSocket;

/// An address on which nobody listens, as long as this process lives: a port that was only given back would soon be
/// somebody else's.
///
/// # Panics
/// When there is no port left.
pub fn nobody_listens() -> SocketAddr {
    static TAKEN: OnceLock<(TcpSocket, SocketAddr)> = OnceLock::new();

    let take = || {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let address = socket.local_addr()?;
        std::io::Result::Ok((socket, address))
    };
    TAKEN.get_or_init(|| take().expect("a port is free")).1
}
