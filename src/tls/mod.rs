//! TLS towards clients, with certificates by the name that is asked for, exchanged while connections stay open; and towards
//! upstreams.
//!
//! [`Certificates`] hold what files say and read them again, and so do [`Authorities`], by whom clients prove who they are; an
//! [`Acceptor`] shakes hands by both. [`Outgoing`] shakes hands with upstreams.

mod acceptor;
mod authorities;
mod certificate;
mod certificates;
mod challenges;
mod client;
mod outgoing;
mod revocation_lists;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;

pub use self::acceptor::{Acceptor, HTTP_2, NoTickets, Tickets};
pub use self::authorities::{Authorities, AuthorityChange, AuthorityError, AuthorityFiles};
pub use self::certificate::{CertificateError, Issued, Validity};
pub use self::certificates::{Certificates, Change};
pub use self::challenges::Challenges;
pub use self::outgoing::{Offer, Outgoing, OutgoingError, OutgoingSettings, speaks_http_2};
use crate::http::client_certificate::ClientAuth;

/// How connections are secured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which certificates there are; none only before the first is issued. The first is for clients that ask for no name, or for one that none
    /// is for.
    pub certificates: Arc<Certificates>,
    /// The oldest version that is spoken.
    pub min_version: Version,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// Whether who comes to an https site without TLS is sent to where there is.
    pub redirects: bool,
    /// For how long browsers are told to come with TLS alone; zero: not at all.
    pub hsts: Duration,
    /// Who is asked for a certificate.
    pub clients: Clients,
}

/// Who is asked for a certificate.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// How those are asked who name no site in their handshake.
    pub others: ClientAuth,
    /// How those are asked who name a site: its host's name in small letters, without a port.
    pub by_name: HashMap<String, ClientAuth>,
    /// Who vouches for them; `None` where nobody is asked.
    pub authorities: Option<Arc<Authorities>>,
}

impl Clients {
    fn asked_at(&self, name: Option<&str>) -> ClientAuth {
        let name = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        name.and_then(|name| self.by_name.get(&name).copied()).unwrap_or(self.others)
    }
}

/// Where a certificate lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, then those that vouch for it, as PEM.
    pub chain: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// The one crypto library, as rustls takes it.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
