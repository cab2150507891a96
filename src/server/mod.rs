//! Accepting connections: one thread and one runtime for each core, all on the same listening sockets.
//!
//! Knows nothing of what is served: a [`Handler`] answers.

mod activity;
mod client_io;
mod connection;
mod core;
mod crowd;
mod departure;
pub mod descriptors;
mod http1;
mod http2;
mod inherited;
mod lasting;
mod listen_at;
mod listener;
mod present;
mod proxy_header;
mod socket;
mod socket_file;
mod stream;
#[cfg(test)]
mod tests;
mod transport;
mod web_socket;

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

pub use self::core::{Gone, Server};
pub use self::inherited::Inherited;
pub use self::listen_at::ListenAt;
pub use self::listener::{BindError, Listeners, Speaks};
use crate::http::peer::{Peer, Peers};
use crate::tls::Acceptor;
use crate::units::ByteSize;

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients speak in plain text.
    pub listen: Vec<ListenAt>,
    /// Where they speak TLS.
    pub listen_tls: Vec<ListenAt>,
    /// The mode of unix sockets' files: who may connect there.
    pub socket_mode: u32,
    /// Worker threads; `None`: one for each core.
    pub cores: Option<NonZeroUsize>,
    /// How long open requests may take to end after SIGTERM.
    pub drain: Duration,
    /// Who begins every connection with a PROXY header, and says in it whom the connection is for.
    pub balancers: Peers,
    /// What one client may cost.
    pub limits: Limits,
}

/// What one client may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For a request's head, from its first byte.
    pub head_timeout: Duration,
    /// How long a client's connection may idle between requests.
    pub keep_alive: Duration,
    /// A request's head, request line included; at least 8 KiB.
    pub header_bytes: ByteSize,
    /// How many header fields.
    pub headers: usize,
    /// The request target's length; below 64 KiB.
    pub target_bytes: ByteSize,
    /// Requests at once on one connection of HTTP/2.
    pub streams: u32,
    /// Whether HTTP/2 is spoken in plain text, with clients that begin with it.
    pub speaks_h2c: bool,
    /// Requests at once, all cores and applications together; `None`: as many as come.
    pub requests: Option<usize>,
    /// Open client connections, all cores together.
    pub connections: usize,
    /// Of those, how many may come from one address; of IPv6, from one /64.
    pub connections_per_address: usize,
    /// Who stands in front of many clients, and may have as many connections as there are.
    pub proxies: Peers,
}

/// What goes for clients who come from now on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What one may cost.
    pub limits: Arc<Limits>,
    /// As [`Settings::balancers`].
    pub balancers: Arc<Peers>,
    /// Shakes hands where TLS is spoken.
    pub tls: Option<Acceptor>,
}

/// Answers requests, on one core.
pub trait Handler: 'static {
    /// What answers are made of.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Default + 'static;

    /// Answers one request. Dropped when the client goes away.
    fn handle(&self, request: Request<Incoming>, peer: &Peer) -> impl Future<Output = Response<Self::Body>>;

    /// A client sent what is no request as we speak it. It has been answered, with 400, 414 or 431.
    fn unreadable(&self);
}
