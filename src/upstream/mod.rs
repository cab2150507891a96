//! The applications behind us: connections kept for each core, and forwarding.

mod body;
mod channel;
mod counts;
mod dialer;
mod endpoint;
mod error;
mod exchange;
mod expect;
mod forward;
mod outgoing;
mod permit;
mod pool;
mod shared;
mod stream;
mod target;
mod upgrade;
mod version_2;

use std::sync::Arc;
use std::time::Duration;

use crate::tls::Outgoing;

pub use self::body::{RelayError, ResponseBody};
pub use self::counts::{ConnectionCounts, Connections};
pub use self::dialer::{Spoken, reach};
pub use self::endpoint::{Endpoint, Place, Scheme};
pub use self::error::Error;
pub use self::forward::Upstreams;
pub use self::outgoing::{Forwarding, Visitor};
pub use self::permit::{IdentityHeaders, Permit};
pub use self::upgrade::{Heard, Tunnel};

/// One named upstream.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where it listens; at least one. More than one: in turn.
    pub endpoints: Vec<Endpoint>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the answer's head, from what the client has sent last.
    pub head_timeout: Duration,
    /// Longest silence between two pieces of a body.
    pub idle_timeout: Duration,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
    /// Unused connections kept, for each core.
    pub max_idle: usize,
    /// Which `Host` it gets.
    pub host: HostHeader,
    /// Protocols a client may upgrade to, lower case.
    pub upgrades: Vec<String>,
    /// How its endpoints that speak TLS are spoken to; there, if there is one.
    pub tls: Option<Arc<Outgoing>>,
}

/// Which `Host` an upstream gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's own.
    Keep,
    /// Always this one: `host` or `host:port`.
    Set(String),
}
