//! Where an upstream listens, and how it is spoken to.

use std::fmt;
use std::path::PathBuf;

/// Where an upstream listens, and how it is spoken to there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How.
    pub scheme: Scheme,
    /// Where.
    pub place: Place,
}

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1 in plain text.
    Http,
    /// HTTP/2 in plain text, from the first byte (RFC 9113, 3.3).
    H2c,
    /// TLS, and in it what both sides agree on (ALPN, RFC 7301).
    Https,
}

/// Where an upstream listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At a TCP port.
    Tcp {
        /// A host name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// At a socket of this machine.
    Unix(PathBuf),
}

impl Endpoint {
    /// Plain HTTP/1.1 at a TCP port.
    pub fn http(host: impl Into<String>, port: u16) -> Self {
        Endpoint { scheme: Scheme::Http, place: Place::Tcp { host: host.into(), port } }
    }
}

impl fmt::Display for Endpoint {
    /// As an operator knows it: with its scheme where that is not plain `http`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Http => {}
            Scheme::H2c => f.write_str("h2c://")?,
            Scheme::Https => f.write_str("https://")?,
        }
        self.place.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp { host, port } => write!(f, "{host}:{port}"),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
