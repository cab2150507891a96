//! `config.toml`, from text to finished settings: each module owns its own, and none of them knows this one.
//!
//! ```text
//! config.toml ── file ──> tree <── environment
//!                          │
//!                        shape      unknown keys refused
//!                          │
//!                        build      section by section, then what must hold between them
//!                          │
//!                        Config     what can be used, or a Report of every mistake
//! ```
//!
//! Which keys there are, what they take and what they are when left out stands in `keys`, once.

mod build;
mod environment;
pub mod error;
mod exposure;
mod file;
mod keys;
mod lines;
mod parse;
mod preset;
mod read;
mod secrets;
mod section;
mod shape;
mod suggest;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderName;
use url::Url;

use self::error::Findings;
pub use self::error::{ConfigError, Report, Warning};
pub use self::value::show_duration;
use crate::gateway::{ForwardAuth, FrontEnd};
use crate::http::client_certificate::CertificateField;
use crate::http::peer::Peers;
use crate::login::provider::{Further, ProviderId, qq};
use crate::store::IdentityKey;
use crate::{acme, admin, gateway, identity, login, server, session, site, store, telemetry, tls, token, upstream};

/// A whole configuration, checked: what can be used rather than what was written.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listening.
    pub server: server::Settings,
    /// What is shown to clients that speak TLS.
    pub tls: Option<tls::Settings>,
    /// Which certificates are asked for.
    pub acme: Option<acme::Settings>,
    /// By which headers upstreams are told of a client's certificate.
    pub certificate_fields: Vec<(HeaderName, CertificateField)>,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Peers,
    /// Which header tells upstreams where a request comes from.
    pub forwarding: upstream::Forwarding,
    /// Our own pages' prefix: begins and ends in `/`.
    pub prefix: String,
    /// The front end that each site has elsewhere, in the sites' order.
    pub front_ends: Vec<Option<Arc<FrontEnd>>>,
    /// Every site.
    pub sites: site::Sites,
    /// The providers beside QQ.
    pub further: Vec<Further>,
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
    /// How operators reach it.
    pub admin: admin::Settings,
    /// What is published about the keys.
    pub discovery: token::DiscoverySettings,
    /// Which other proxies ask whether requests may pass.
    pub forward_auth: Option<ForwardAuth>,
    /// Logs.
    pub log: telemetry::Settings,
}

impl Config {
    /// Reads the file, lays the `MENSHEN__…` variables among `environment` over it, and makes settings of both.
    /// Relative paths in it start in the file's own folder.
    ///
    /// # Errors
    /// [`Report::Unreadable`] if the file cannot be read, else [`Report::Mistakes`] with every mistake that was found.
    /// Neither ever holds a secret.
    pub fn load<E, K, V>(path: &Path, environment: E) -> Result<(Config, Vec<Warning>), Report>
    where
        E: IntoIterator<Item = (K, V)>,
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let unreadable = |reason| Report::Unreadable { path: path.to_owned(), reason };
        let bytes = file::read(path).map_err(unreadable)?;
        let mut log = Findings::new(&path.display().to_string());
        let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into()));
        let config = file::parse(&bytes, &mut log).and_then(|mut tree| {
            exposure::check(path, &tree, &mut log);
            environment::overlay(&mut tree, environment, &mut log);
            shape::check(&tree, &mut log);
            build::build(&tree, path.parent().unwrap_or(Path::new("")), &mut log)
        });
        log.finish(config)
    }

    /// Where a proxy that runs by this file, or did before it was changed, can be asked; as far as that can be told of one
    /// with mistakes.
    pub fn socket<E, K, V>(path: &Path, environment: E) -> Option<PathBuf>
    where
        E: IntoIterator<Item = (K, V)>,
        K: Into<OsString>,
        V: Into<OsString>,
    {
        build::socket(&as_far_as_it_goes(path, environment)?, path.parent().unwrap_or(Path::new("")))
    }

    /// The hosts of a file's sites, without their ports; as far as they can be told of one with mistakes, such as
    /// certificates that are yet to be made.
    pub fn hosts<E, K, V>(path: &Path, environment: E) -> Vec<String>
    where
        E: IntoIterator<Item = (K, V)>,
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let tree = as_far_as_it_goes(path, environment);
        tree.map(|tree| build::hosts(&tree, path.parent().unwrap_or(Path::new("")))).unwrap_or_default()
    }

    /// The configured QQ app.
    pub fn app(&self) -> App {
        App { provider: self.qq.id.as_str().to_owned(), client_id: self.qq.client_id.clone() }
    }

    /// The address a provider sends the browser back to, word for word as it has to be registered there: the site's own
    /// entry for it, or else its origin and the callback's path without the last slash.
    pub fn redirect_uri(&self, site: &site::Site, provider: &ProviderId) -> Option<Url> {
        let callback = match self.qq.id == *provider {
            true => self.login.callback.clone(),
            false => format!("{}callback/{provider}", self.prefix),
        };
        site.redirect_uris.get(provider.as_str()).cloned().or_else(|| usual_redirect_uri(site, &callback))
    }
}

/// A file and its environment, whatever mistakes there are.
fn as_far_as_it_goes<E, K, V>(path: &Path, environment: E) -> Option<tree::Table>
where
    E: IntoIterator<Item = (K, V)>,
    K: Into<OsString>,
    V: Into<OsString>,
{
    let mut unheard = Findings::new("");
    let mut tree = file::parse(&file::read(path).ok()?, &mut unheard)?;
    let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into()));
    environment::overlay(&mut tree, environment, &mut unheard);
    Some(tree)
}

/// An app at an identity provider: what makes its openids somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// What the provider is called.
    pub provider: String,
    /// The app's id there.
    pub client_id: String,
}

impl App {
    /// Who somebody is there, by an openid; `None` if it is none.
    pub fn identity(&self, openid: &str) -> Option<IdentityKey> {
        let subject = qq::OpenId::parse(openid)?.into_string();
        Some(IdentityKey { provider: self.provider.clone(), client_id: self.client_id.clone(), subject })
    }
}

/// A duration as `config.toml` has it: `1h30m`.
pub fn duration(text: &str) -> Option<std::time::Duration> {
    value::duration(text).ok()
}

/// The redirect_uri of a site that states none.
fn usual_redirect_uri(site: &site::Site, callback: &str) -> Option<Url> {
    Url::parse(&format!("{}{}", site.origin, callback.trim_end_matches('/'))).ok()
}
