//! Listening sockets, shared by the cores.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::socket_file::{FileFault, SocketFile};
use super::transport::Transport;
use super::{ListenAt, Settings};
use crate::http::peer::Remote;

/// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

/// Silence after which the system asks whether a client is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// A place that cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {at}{hint}")]
pub struct BindError {
    at: ListenAt,
    hint: String,
    #[source]
    source: Option<io::Error>,
}

/// Bound sockets. One socket serves all cores: closing one of several that share a port would reset whatever waits in
/// its queue.
#[derive(Debug)]
pub struct Listeners(Vec<Listener>);

/// A bound socket, and how clients speak there.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Bound,
    pub(super) speaks: Speaks,
    /// Where it is.
    at: ListenAt,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    /// With its file, which is there for as long as some core listens.
    Unix(UnixListener, Arc<SocketFile>),
}

/// How clients speak at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// In plain text.
    Plain,
    /// TLS.
    Tls,
}

/// A socket on which a core accepts.
pub(super) enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener, #[expect(dead_code, reason = "held, not read")] Arc<SocketFile>),
}

impl Listeners {
    /// Binds every place, or says which one could not be bound.
    pub fn bind(settings: &Settings) -> Result<Self, BindError> {
        let plain = settings.listen.iter().map(|at| (at, Speaks::Plain));
        let tls = settings.listen_tls.iter().map(|at| (at, Speaks::Tls));
        plain
            .chain(tls)
            .map(|(at, speaks)| bind(at, speaks, settings.socket_mode))
            .collect::<Result<_, _>>()
            .map(Listeners)
    }

    /// Where they are bound, with the port that the system chose where 0 was asked for.
    pub fn places(&self) -> Vec<(ListenAt, Speaks)> {
        self.0.iter().map(|listener| (listener.at.clone(), listener.speaks)).collect()
    }

    /// A handle on the same sockets for one more core.
    pub(super) fn share(&self) -> io::Result<Vec<Listener>> {
        self.0.iter().map(Listener::share).collect()
    }
}

impl Listener {
    fn share(&self) -> io::Result<Self> {
        let socket = match &self.socket {
            Bound::Tcp(socket) => Bound::Tcp(socket.try_clone()?),
            Bound::Unix(socket, file) => Bound::Unix(socket.try_clone()?, Arc::clone(file)),
        };
        Ok(Listener { socket, speaks: self.speaks, at: self.at.clone() })
    }

    /// Begins to accept. Must be called on a runtime.
    pub(super) fn begin(self) -> io::Result<Accepting> {
        Ok(match self.socket {
            Bound::Tcp(socket) => Accepting::Tcp(tokio::net::TcpListener::from_std(socket)?),
            Bound::Unix(socket, file) => Accepting::Unix(tokio::net::UnixListener::from_std(socket)?, file),
        })
    }
}

impl Accepting {
    /// The next client.
    pub(super) async fn accept(&self) -> io::Result<(Transport, Remote)> {
        match self {
            Accepting::Tcp(socket) => {
                let (stream, from) = socket.accept().await?;
                Ok((Transport::Tcp(stream), Remote::Network(from)))
            }
            Accepting::Unix(socket, _) => {
                let (stream, _) = socket.accept().await?;
                Ok((Transport::Unix(stream), Remote::Unix))
            }
        }
    }
}

fn bind(at: &ListenAt, speaks: Speaks, socket_mode: u32) -> Result<Listener, BindError> {
    match at {
        ListenAt::Address(address) => {
            let failed =
                |source: io::Error| BindError { at: at.clone(), hint: hint(&source).to_owned(), source: Some(source) };
            let socket = open(*address).map_err(failed)?;
            let at = ListenAt::Address(socket.local_addr().map_err(failed)?);
            Ok(Listener { socket: Bound::Tcp(socket), speaks, at })
        }
        ListenAt::Unix(path) => {
            let (socket, file) = SocketFile::listen(path, socket_mode).map_err(|fault| BindError {
                at: at.clone(),
                hint: fault.to_string(),
                source: if let FileFault::System(source) = fault { Some(source) } else { None },
            })?;
            Ok(Listener { socket: Bound::Unix(socket, Arc::new(file)), speaks, at: at.clone() })
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system's errors are many; these three are worth a hint")]
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (another process listens there already)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need CAP_NET_BIND_SERVICE)",
        io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
        _ => "",
    }
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
        let anywhere = ListenAt::Address("127.0.0.1:0".parse().unwrap());
        let first = bind(&anywhere, Speaks::Plain, 0o660).unwrap();
        let error = anyhow::Error::from(bind(&first.at, Speaks::Plain, 0o660).unwrap_err());
        let expected = format!("cannot listen on {} (another process listens there already): ", first.at);
        let said = format!("{error:#}");
        assert!(said.starts_with(&expected), "{said}");
        assert_eq!(said.matches("os error").count(), 1, "{said}");
    }
}
