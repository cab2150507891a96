//! What operators do: to a running proxy through its socket, or to a stopped one's store.
//!
//! ```text
//! menshen users … ── client ── socket ──┐
//!                                        ├── Admin ── store, keys, and the running proxy if there is one
//! menshen users … (nothing runs) ────────┘
//! ```
//!
//! Each [`Operation`] is bounded, and so is its [`Reply`]: long lists are asked for page by page, and long tables brought
//! piece by piece.

mod carry_out;
pub mod client;
pub mod listener;
mod operation;
mod row;
mod silent;
pub mod socket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::operation::{
    BoundUser, KeyState, MOST_ROWS, Operation, PAGE, Person, Problem, Question, Reloaded, Reply, Status,
};
pub use self::row::{Identify, Row, is_nothing};
use crate::clock::Clock;
use crate::master_key::MasterKey;
use crate::store::{Actor, IdentityKey, Store};

/// How a proxy can be administered, and what is kept of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The socket's path; its folder is made if it is missing.
    pub socket: PathBuf,
    /// How long entries of the audit trail are kept.
    pub audit_kept: Duration,
    /// Addresses for monitoring.
    pub listen: Vec<SocketAddr>,
    /// Who is answered there.
    pub access: listener::Access,
}

/// What only a proxy that runs can do.
#[async_trait]
pub trait Running: Send + Sync + 'static {
    /// See [`Identify`]; by the app that it goes by at present.
    fn identify(&self, openid: &str) -> Option<IdentityKey>;

    /// Has every request from now on see what the store says of revocations.
    async fn take_revocations(&self) -> Result<(), Problem>;

    /// Has every request from now on use the keys that the store has.
    async fn take_keys(&self) -> Result<(), Problem>;

    /// Reads the configuration again and goes on by it; where it has mistakes, by the old one.
    async fn reload(&self, by: Actor) -> Result<Reloaded, Problem>;

    /// What would become of a request.
    async fn explain(&self, question: Question) -> Result<Vec<(String, String)>, Problem>;

    /// What it has counted, for Prometheus.
    async fn metrics(&self) -> String;

    /// Whether it takes no more visitors.
    fn is_going_down(&self) -> bool;

    /// What does not work, while visitors are served.
    async fn degraded(&self) -> Vec<String>;

    /// How it is.
    async fn status(&self) -> Status;
}

/// Carries out operations.
pub struct Admin {
    store: Arc<dyn Store>,
    master: MasterKey,
    clock: Clock,
    identify: Arc<Identify>,
    running: Option<Arc<dyn Running>>,
}

impl Admin {
    /// On a store that no proxy has open. `identify`: by the configured app.
    pub fn of_a_stopped_proxy(store: Arc<dyn Store>, master: MasterKey, clock: Clock, identify: Arc<Identify>) -> Self {
        Admin { store, master, clock, identify, running: None }
    }

    /// On a running proxy.
    pub fn of(running: Arc<dyn Running>, store: Arc<dyn Store>, master: MasterKey, clock: Clock) -> Self {
        let running_too = Arc::clone(&running);
        let identify = move |openid: &str| running_too.identify(openid);
        Admin { store, master, clock, identify: Arc::new(identify), running: Some(running) }
    }
}

impl Admin {
    /// See [`Running::metrics`]; `None` where no proxy runs.
    pub async fn metrics(&self) -> Option<String> {
        match &self.running {
            Some(running) => Some(running.metrics().await),
            None => None,
        }
    }

    /// See [`Running::is_going_down`].
    pub fn is_going_down(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.is_going_down())
    }

    /// See [`Running::degraded`].
    pub async fn degraded(&self) -> Vec<String> {
        match &self.running {
            Some(running) => running.degraded().await,
            None => Vec::new(),
        }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admin")
    }
}
