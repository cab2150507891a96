//! The applications behind us: connections kept for each core, and forwarding.

mod admission;
mod balance;
mod body;
mod channel;
mod counts;
mod dialer;
mod driver;
mod endpoint;
mod error;
mod exchange;
mod expect;
mod farewell;
mod forward;
mod health;
mod names;
mod outgoing;
mod permit;
mod pool;
mod retry;
mod shared;
mod spare;
mod stream;
mod target;
mod upgrade;
mod version_2;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::tls::Outgoing;

pub use self::admission::Limit;
pub use self::balance::{Affinity, Ejection, EndpointState, GroupState, Groups, HashOn, Places, Policy};
pub use self::body::{RelayError, ResponseBody};
pub use self::counts::{ConnectionCounts, Connections};
pub use self::dialer::{Spoken, reach};
pub use self::endpoint::{Endpoint, Place, Scheme};
pub use self::error::Error;
pub use self::farewell::Farewell;
pub use self::forward::{Answer, Common, Course, Upstreams};
pub use self::health::{Health, HealthChecks};
pub use self::names::Names;
pub use self::outgoing::{Forwarding, Visitor};
pub use self::permit::{IdentityHeaders, Permit};
pub use self::retry::Retries;
pub use self::upgrade::{Heard, Tunnel};

/// One named upstream.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where it listens; at least one.
    pub members: Vec<Member>,
    /// Which of them a request goes to.
    pub balance: Policy,
    /// When one that fails is left out for a while; `None`: never.
    pub ejection: Option<Ejection>,
    /// How long one that comes back gets less than the others.
    pub slow_start: Duration,
    /// How many requests it has at once; `None`: as many as come.
    pub limit: Option<Limit>,
    /// When a request goes out once more.
    pub retries: Retries,
    /// How it is found out whether they are well, if that is asked.
    pub health: Option<Health>,
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
    /// Who is asked where its endpoints' names lead; none: whom the machine asks.
    pub dns: Vec<SocketAddr>,
    /// How its endpoints that speak TLS are spoken to; there, if there is one.
    pub tls: Option<Arc<Outgoing>>,
}

/// How long things may take for one request, where it has a say of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// In place of the upstream's `connect_timeout`.
    pub connect: Option<Duration>,
    /// In place of its `head_timeout`.
    pub head: Option<Duration>,
    /// In place of its `idle_timeout`.
    pub idle: Option<Duration>,
    /// From the request's head to the last byte of its answer. Neither what is upgraded nor a stream of events
    /// (`text/event-stream`) is cut off by it.
    pub whole: Option<Duration>,
}

/// One of an upstream's endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How much of the requests it gets, beside the others' weights; not 0.
    pub weight: u32,
}

/// Which `Host` an upstream gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's own.
    Keep,
    /// Always this one: `host` or `host:port`.
    Set(String),
}
