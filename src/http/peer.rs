//! The other end of a connection.

use std::net::SocketAddr;

use super::forwarded::Client;

/// The other end of a connection: a client, or a proxy before us.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its end of the connection, for logs.
    pub address: SocketAddr,
    /// Where it is, as the next hop is told.
    pub client: Client,
    /// Whether nobody between could read or change what it says: the connection is TLS, and we are its end.
    pub is_tls: bool,
}
