//! `config.toml`, from text to finished settings: each module owns its own, and none of them knows this one.

use std::path::PathBuf;

use crate::login::provider::qq;
use crate::{gateway, identity, login, server, session, site, store, telemetry, token, upstream};

/// A whole configuration, checked: what can be used rather than what was written.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listening.
    pub server: server::Settings,
    /// Networks whose forwarding headers are believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Our own pages' prefix: begins and ends in `/`.
    pub prefix: String,
    /// Every site.
    pub sites: site::Sites,
    /// The QQ app.
    pub qq: qq::Settings,
    /// Every upstream; routes point into this list.
    pub upstreams: Vec<upstream::Settings>,
    /// Every route, in the file's order.
    pub routes: Vec<gateway::RouteSettings>,
    /// Every identity; routes point into this list.
    pub identities: Vec<identity::Settings>,
    /// Sessions.
    pub session: session::Settings,
    /// Logins.
    pub login: login::Settings,
    /// The store.
    pub store: store::sled::Settings,
    /// The master secret's file; made on first start.
    pub master_key_file: PathBuf,
    /// What is published about the keys.
    pub discovery: token::DiscoverySettings,
    /// Logs.
    pub log: telemetry::Settings,
}
