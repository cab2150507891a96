//! Listening sockets, shared by the cores.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::Settings;

/// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Silence after which the system asks whether a client is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}{hint}")]
pub struct BindError {
    address: SocketAddr,
    hint: &'static str,
    #[source]
    source: io::Error,
}

/// Bound sockets. One socket serves all cores: closing one of several that share a port would reset whatever waits in
/// its queue.
#[derive(Debug)]
pub struct Listeners(Vec<Listener>);

/// A bound socket, and how clients speak there.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) speaks: Speaks,
}

/// How clients speak at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// In plain text.
    Plain,
    /// TLS.
    Tls,
}

impl Listeners {
    /// Binds every address, or says which one could not be bound.
    pub fn bind(settings: &Settings) -> Result<Self, BindError> {
        let plain = settings.listen.iter().map(|address| (address, Speaks::Plain));
        let tls = settings.listen_tls.iter().map(|address| (address, Speaks::Tls));
        let bind = |(address, speaks): (&SocketAddr, _)| Ok(Listener { socket: bind(*address)?, speaks });
        plain.chain(tls).map(bind).collect::<Result<_, _>>().map(Listeners)
    }

    /// The bound addresses, with the port that the system chose where 0 was asked for.
    pub fn addresses(&self) -> Vec<(SocketAddr, Speaks)> {
        self.0.iter().filter_map(|listener| Some((listener.socket.local_addr().ok()?, listener.speaks))).collect()
    }

    /// A handle on the same sockets for one more core.
    pub(super) fn share(&self) -> io::Result<Vec<Listener>> {
        let share =
            |Listener { socket, speaks }: &Listener| Ok(Listener { socket: socket.try_clone()?, speaks: *speaks });
        self.0.iter().map(share).collect()
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system's errors are many; these three are worth a hint")]
fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    open(address).map_err(|source| {
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => " (another process listens there already)",
            io::ErrorKind::PermissionDenied => " (ports below 1024 need CAP_NET_BIND_SERVICE)",
            io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
            _ => "",
        };
        BindError { address, hint, source }
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets take this over. It ends upgraded connections whose client is gone without a word.
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_named_with_the_reason() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = anyhow::Error::from(bind(address).unwrap_err());
        let expected = format!("cannot listen on {address} (another process listens there already): ");
        let said = format!("{error:#}");
        assert!(said.starts_with(&expected), "{said}");
        assert_eq!(said.matches("os error").count(), 1, "{said}");
    }
}
