//! Listening sockets, shared by the cores.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

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
pub struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// Binds every address, or says which one could not be bound.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        addresses.iter().map(|address| bind(*address)).collect::<Result<_, _>>().map(Listeners)
    }

    /// The bound addresses, with the port that the system chose where 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// A handle on the same sockets for one more core.
    pub(super) fn share(&self) -> io::Result<Vec<TcpListener>> {
        self.0.iter().map(TcpListener::try_clone).collect()
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
        let first = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = first.addresses()[0];
        let error = anyhow::Error::from(Listeners::bind(&[address]).unwrap_err());
        let expected = format!("cannot listen on {address} (another process listens there already): ");
        let said = format!("{error:#}");
        assert!(said.starts_with(&expected), "{said}");
        assert_eq!(said.matches("os error").count(), 1, "{said}");
    }
}
