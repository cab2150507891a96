//! Listening sockets that whoever started this process had opened before (sd_listen_fds(3)). They stay open while one
//! process ends and the next one begins: nobody who connects meanwhile is refused.

use std::io;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;
use socket2::{Socket, Type};

/// What a socket is called of which nobody says the name.
const NAMELESS: &str = "unknown";

/// What this process was handed.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Handed>);

/// One of them.
#[derive(Debug)]
pub(super) struct Handed {
    /// `FileDescriptorName=` of its socket unit.
    pub(super) name: String,
    pub(super) socket: io::Result<Socket>,
}

impl Inherited {
    /// What the environment says. Once: it is removed from there. To be called before there are threads.
    pub fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names =
            names.split(':').map(|name| if name.is_empty() { NAMELESS.to_owned() } else { name.to_owned() });
        let mut all = ListenFd::from_env();
        let handed = (0..all.len()).map(|at| Handed {
            name: names.next().unwrap_or_else(|| NAMELESS.to_owned()),
            socket: listening(&mut all, at),
        });
        Inherited(handed.collect())
    }

    /// Sockets by their names.
    pub fn of(sockets: impl IntoIterator<Item = (String, OwnedFd)>) -> Self {
        let handed = sockets.into_iter().map(|(name, socket)| Handed { name, socket: Ok(Socket::from(socket)) });
        Inherited(handed.collect())
    }

    /// Takes those of a name, or all that are left.
    pub(super) fn called(&mut self, name: Option<&str>) -> Vec<Handed> {
        self.0.extract_if(.., |handed| name.is_none_or(|name| name == handed.name)).collect()
    }

    /// The names of what is left.
    pub(super) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|handed| handed.name.as_str()).collect()
    }
}

fn listening(all: &mut ListenFd, at: usize) -> io::Result<Socket> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let socket = match all.take_tcp_listener(at) {
        Ok(socket) => Socket::from(socket.ok_or_else(missing)?),
        Err(_) => Socket::from(all.take_unix_listener(at)?.ok_or_else(missing)?),
    };
    Ok(socket)
}

impl Handed {
    /// The socket, which listens.
    pub(super) fn into_listening(self) -> io::Result<Socket> {
        let socket = self.socket?;
        match socket.r#type()? == Type::STREAM && socket.is_listener()? {
            true => Ok(socket),
            false => Err(io::Error::other("it does not listen for connections")),
        }
    }
}
