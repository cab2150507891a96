//! The other end of a connection.

use std::fmt::{Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use super::client_certificate::Handshake;
use super::forwarded::Client;

/// The other end of a connection: a client, or a proxy before us.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its end of the connection, for logs.
    pub remote: Remote,
    /// Where it is, as the next hop is told.
    pub client: Client,
    /// How TLS came about, where the connection is TLS and we are its end: nobody between can read or change what it
    /// says.
    pub tls: Option<Handshake>,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// An address in a network.
    Network(SocketAddr),
    /// A process of this machine, by a unix socket.
    Unix,
}

impl Remote {
    /// Its address, IPv4 as such. A process of this machine has the machine's own.
    pub fn ip(self) -> IpAddr {
        match self {
            Remote::Network(address) => address.ip().to_canonical(),
            Remote::Unix => Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl Display for Remote {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Remote::Network(address) => address.fmt(f),
            Remote::Unix => f.write_str("unix"),
        }
    }
}

/// Some of those who connect, as a configuration lists them.
#[derive(Debug, Clone, Default)]
pub struct Peers(Vec<Listed>);

/// One entry of such a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Whoever is in a network.
    Network(IpNet),
    /// Whoever comes by a unix socket: that it has the address of this machine is not enough.
    Unix,
}

impl Peers {
    /// Whether who connects is among them.
    pub fn hold(&self, remote: Remote) -> bool {
        match remote {
            Remote::Network(_) => self.hold_address(remote.ip()),
            Remote::Unix => self.0.contains(&Listed::Unix),
        }
    }

    /// Whether an address is among them. IPv4 has to be written as such.
    pub fn hold_address(&self, address: IpAddr) -> bool {
        self.0.iter().any(|listed| matches!(listed, Listed::Network(network) if network.contains(&address)))
    }
}

impl FromIterator<Listed> for Peers {
    fn from_iter<I: IntoIterator<Item = Listed>>(listed: I) -> Self {
        Peers(listed.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_sockets_client_has_this_machines_address_and_is_known_by_its_own_word_alone() {
        let loopback: Peers = [Listed::Network("127.0.0.0/8".parse().unwrap())].into_iter().collect();
        let unix: Peers = [Listed::Unix].into_iter().collect();
        let here = Remote::Network("[::ffff:127.0.0.1]:1".parse().unwrap());
        assert_eq!((Remote::Unix.ip(), Remote::Unix.to_string().as_str()), (here.ip(), "unix"));
        assert!(loopback.hold(here) && !loopback.hold(Remote::Unix));
        assert!(unix.hold(Remote::Unix) && !unix.hold(here) && !unix.hold_address(here.ip()));
    }
}
