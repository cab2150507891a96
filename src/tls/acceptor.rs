//! Shaking hands with clients.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::ProducesTickets;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Settings, Version};

/// HTTP/1.1 as ALPN names it (RFC 7301).
pub(super) const HTTP_1_1: &[u8] = b"http/1.1";

/// HTTP/2 as ALPN names it (RFC 9113, 3.2).
pub const HTTP_2: &[u8] = b"h2";

/// The system gave no randomness, or the cryptography no keys.
#[derive(Debug, thiserror::Error)]
#[error("no keys for session tickets can be made")]
pub struct NoTickets(#[source] rustls::Error);

/// What session tickets are sealed with, so that clients that come back need no full handshake. Made anew every few
/// hours; kept across reloads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// With a key of their own.
    pub fn new() -> Result<Self, NoTickets> {
        rustls::crypto::aws_lc_rs::Ticketer::new().map(Tickets).map_err(NoTickets)
    }
}

/// Shakes hands with clients. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// Shows these certificates.
    ///
    /// # Errors
    /// The provider lacks what the versions need.
    pub fn new(settings: &Settings, tickets: &Tickets) -> Result<Self, rustls::Error> {
        let versions: &[_] = match settings.min_version {
            Version::Tls12 => &[&TLS12, &TLS13],
            Version::Tls13 => &[&TLS13],
        };
        let config = ServerConfig::builder_with_provider(super::provider()).with_protocol_versions(versions)?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::clone(&settings.certificates) as _);
        let protocols: &[&[u8]] = if settings.http2 { &[HTTP_2, HTTP_1_1] } else { &[HTTP_1_1] };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config.ticketer = Arc::clone(&tickets.0);
        // The strongest that both know, whatever the client would rather have: nobody on the way talks it into less.
        config.ignore_client_order = true;
        Ok(Acceptor(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands. Takes as long as the client does.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        self.0.accept(stream).await
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}
