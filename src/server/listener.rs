//! Listening sockets, shared by the cores.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::inherited::Handed;
use super::socket_file::{FileFault, SocketFile};
use super::transport::Transport;
use super::{Inherited, ListenAt, Settings};
use crate::http::peer::Remote;

/// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

/// Silence after which the system asks whether a client is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// Why there is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses, or somebody else is there.
    #[error("cannot listen on {at}{hint}")]
    Bind {
        /// Where.
        at: ListenAt,
        /// What helps.
        hint: String,
        /// What the system says, where it was asked.
        #[source]
        source: Option<io::Error>,
    },
    /// There is no such inherited socket.
    #[error(
        "cannot listen on {at}: this process was handed {}. Have systemd open the socket before it: `systemctl enable --now \
         menshen.socket`, with FileDescriptorName= as {at} has it",
        handed(.others)
    )]
    NotHanded {
        /// Which.
        at: ListenAt,
        /// The names of those that are there.
        others: Vec<String>,
    },
    /// What was inherited is no listening socket.
    #[error(
        "cannot listen on {at}: what this process was handed as {name:?} is of no use; a socket unit for it says ListenStream="
    )]
    Useless {
        /// Which.
        at: ListenAt,
        /// By its name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// Connections to a socket would never be answered.
    #[error(
        "this process was handed {}, and server.listen names it as little as server.listen_tls does: whoever connects there \
         would wait for ever. Name it in one of them (\"systemd\" stands for all), or remove ListenStream= from the socket unit",
        handed(.0)
    )]
    Unclaimed(Vec<String>),
}

fn handed(names: &[String]) -> String {
    match names {
        [] => "no socket".to_owned(),
        names => format!("the socket {}", names.join(", ")),
    }
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
    /// With its file if that is ours, which is there for as long as some core listens.
    Unix(UnixListener, Option<Arc<SocketFile>>),
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
    Unix(tokio::net::UnixListener, #[expect(dead_code, reason = "held, not read")] Option<Arc<SocketFile>>),
}

impl Listeners {
    /// Binds every place, or takes what was inherited for it; or says for which there is nothing.
    pub fn bind(settings: &Settings, mut inherited: Inherited) -> Result<Self, BindError> {
        let plain = settings.listen.iter().map(|at| (at, Speaks::Plain));
        let tls = settings.listen_tls.iter().map(|at| (at, Speaks::Tls));
        let mut places: Vec<_> = plain.chain(tls).collect();
        // Who names nothing gets what the others leave.
        places.sort_by_key(|(at, _)| matches!(at, ListenAt::Inherited(None)));
        // Before anything is bound: whoever was handed a port may otherwise be told that somebody else has it.
        match unclaimed(&inherited, &places) {
            left if left.is_empty() => {}
            left => return Err(BindError::Unclaimed(left)),
        }
        let mut listeners = Vec::with_capacity(places.len());
        for (at, speaks) in places {
            match at {
                ListenAt::Address(address) => listeners.push(bind(*address, speaks)?),
                ListenAt::Unix(path) => listeners.push(bind_file(path, speaks, settings.socket_mode)?),
                ListenAt::Inherited(name) => listeners.extend(adopt(at, name.as_deref(), speaks, &mut inherited)?),
            }
        }
        Ok(Listeners(listeners))
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
            Bound::Unix(socket, file) => Bound::Unix(socket.try_clone()?, file.clone()),
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

/// The names of what was inherited and no place names; none where a place names what is not there, which says more.
fn unclaimed(inherited: &Inherited, places: &[(&ListenAt, Speaks)]) -> Vec<String> {
    let names = inherited.names();
    let claimed: Vec<Option<&str>> = places
        .iter()
        .filter_map(|(at, _)| if let ListenAt::Inherited(name) = at { Some(name.as_deref()) } else { None })
        .collect();
    if claimed.contains(&None) || claimed.iter().flatten().any(|name| !names.contains(name)) {
        return Vec::new();
    }
    names.into_iter().filter(|name| !claimed.contains(&Some(name))).map(str::to_owned).collect()
}

fn owned(inherited: &Inherited) -> Vec<String> {
    inherited.names().into_iter().map(str::to_owned).collect()
}

fn bind(address: SocketAddr, speaks: Speaks) -> Result<Listener, BindError> {
    let failed = |source| BindError::Bind {
        at: ListenAt::Address(address),
        hint: hint(&source).to_owned(),
        source: Some(source),
    };
    let socket = open(address).map_err(failed)?;
    let at = ListenAt::Address(socket.local_addr().map_err(failed)?);
    Ok(Listener { socket: Bound::Tcp(socket), speaks, at })
}

fn bind_file(path: &Path, speaks: Speaks, mode: u32) -> Result<Listener, BindError> {
    let at = ListenAt::Unix(path.to_owned());
    match SocketFile::listen(path, mode) {
        Ok((socket, file)) => Ok(Listener { socket: Bound::Unix(socket, Some(Arc::new(file))), speaks, at }),
        Err(fault) => {
            let hint = fault.to_string();
            let source = if let FileFault::System(source) = fault { Some(source) } else { None };
            Err(BindError::Bind { at, hint, source })
        }
    }
}

/// What was inherited under a name, or all of it.
fn adopt(
    at: &ListenAt,
    name: Option<&str>,
    speaks: Speaks,
    inherited: &mut Inherited,
) -> Result<Vec<Listener>, BindError> {
    let handed = inherited.called(name);
    if handed.is_empty() {
        return Err(BindError::NotHanded { at: at.clone(), others: owned(inherited) });
    }
    let adopt = |handed: Handed| {
        let name = handed.name.clone();
        let listener = handed.into_listening().and_then(|socket| adopted(socket, at, speaks));
        listener.map_err(|source| BindError::Useless { at: at.clone(), name, source })
    };
    handed.into_iter().map(adopt).collect()
}

fn adopted(socket: Socket, at: &ListenAt, speaks: Speaks) -> io::Result<Listener> {
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    if address.domain() == Domain::UNIX {
        let at = address.as_pathname().map_or_else(|| at.clone(), |path| ListenAt::Unix(path.to_owned()));
        return Ok(Listener { socket: Bound::Unix(socket.into(), None), speaks, at });
    }
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))?;
    let at = address.as_socket().map_or_else(|| at.clone(), ListenAt::Address);
    Ok(Listener { socket: Bound::Tcp(socket.into()), speaks, at })
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
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn an_address_in_use_is_named_with_the_reason() {
        let first = bind("127.0.0.1:0".parse().unwrap(), Speaks::Plain).unwrap();
        let error = anyhow::Error::from(bind(first.at.address().unwrap(), Speaks::Plain).unwrap_err());
        let expected = format!("cannot listen on {} (another process listens there already): ", first.at);
        let said = format!("{error:#}");
        assert!(said.starts_with(&expected), "{said}");
        assert_eq!(said.matches("os error").count(), 1, "{said}");
    }

    /// Settings that listen on these, in plain text and by TLS.
    fn settings(listen: &[Option<&str>], listen_tls: &[Option<&str>]) -> Settings {
        let places =
            |names: &[Option<&str>]| names.iter().map(|name| ListenAt::Inherited(name.map(str::to_owned))).collect();
        Settings { listen: places(listen), listen_tls: places(listen_tls), ..crate::server::tests::settings(1) }
    }

    fn handed(names: &[&str]) -> (Inherited, Vec<SocketAddr>) {
        let sockets: Vec<_> = names.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        let named = names.iter().map(|name| (*name).to_owned()).zip(sockets.into_iter().map(OwnedFd::from));
        (Inherited::of(named), addresses)
    }

    #[test]
    fn inherited_sockets_are_found_by_name_and_who_names_none_gets_the_rest() {
        let (inherited, addresses) = handed(&["http", "https", "http", "other"]);
        let listeners = Listeners::bind(&settings(&[None, Some("http")], &[Some("https")]), inherited).unwrap();
        let place = |at: usize, speaks| (ListenAt::Address(addresses[at]), speaks);
        let expected = [(0, Speaks::Plain), (2, Speaks::Plain), (1, Speaks::Tls), (3, Speaks::Plain)];
        assert_eq!(listeners.places(), expected.map(|(at, speaks)| place(at, speaks)));
    }

    #[test]
    fn an_inherited_socket_that_is_not_there_not_named_or_of_no_use_is_told_with_its_name() {
        let said = |settings: &Settings, inherited| {
            let error = anyhow::Error::from(Listeners::bind(settings, inherited).unwrap_err());
            format!("{error:#}")
        };
        let none = said(&settings(&[None], &[]), Inherited::default());
        assert!(none.starts_with("cannot listen on systemd: this process was handed no socket."), "{none}");
        let another = said(&settings(&[Some("https")], &[]), handed(&["http"]).0);
        assert!(
            another.starts_with("cannot listen on systemd:https: this process was handed the socket http."),
            "{another}"
        );
        let left = said(&settings(&[Some("http")], &[]), handed(&["http", "https"]).0);
        assert!(left.starts_with("this process was handed the socket https, and server.listen names it"), "{left}");
        // Also where the port is taken, by the very socket that was handed over.
        let (inherited, addresses) = handed(&["http"]);
        let at_its_address =
            Settings { listen: vec![ListenAt::Address(addresses[0])], ..crate::server::tests::settings(1) };
        let taken = said(&at_its_address, inherited);
        assert!(taken.starts_with("this process was handed the socket http, and server.listen names it"), "{taken}");
        let datagrams = OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let useless = said(&settings(&[None], &[]), Inherited::of([("dns".to_owned(), datagrams)]));
        assert!(useless.contains("handed as \"dns\" is of no use") && useless.contains("ListenStream="), "{useless}");
    }
}
