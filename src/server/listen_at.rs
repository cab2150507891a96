//! Where to listen.

use std::fmt::{Display, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAt {
    /// An address of this machine's.
    Address(SocketAddr),
    /// A unix socket, by its file.
    Unix(PathBuf),
    /// Whatever was handed to this process under a name, or whatever no other place names.
    Inherited(Option<String>),
}

impl ListenAt {
    /// The address, where it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            ListenAt::Address(address) => Some(*address),
            ListenAt::Unix(_) | ListenAt::Inherited(_) => None,
        }
    }
}

/// As the configuration has it.
impl Display for ListenAt {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            ListenAt::Address(address) => address.fmt(f),
            ListenAt::Unix(path) => write!(f, "unix:{}", path.display()),
            ListenAt::Inherited(None) => f.write_str("systemd"),
            ListenAt::Inherited(Some(name)) => write!(f, "systemd:{name}"),
        }
    }
}
