//! TLS towards upstreams: who they must prove to be, and who we are to them.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::acceptor::HTTP_1_1;
use super::certificate::{Certificate, Contents};
use super::{CertificateError, Files, HTTP_2};
use crate::rule::{self, Rule};

/// Whom an upstream has to prove to be, and who we are to it.
#[derive(Debug, Clone, Default)]
pub struct OutgoingSettings {
    /// Those who vouch for it, as PEM; `None`: those whom the machine trusts.
    pub ca: Option<PathBuf>,
    /// Whom it is asked for and has to be; `None`: the endpoint's host.
    pub server_name: Option<ServerName<'static>>,
    /// What we show where it asks who we are.
    pub client: Option<Files>,
    /// Whether it may be anybody.
    pub accept_anyone: bool,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

/// Why an upstream cannot be spoken to over TLS.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The file of those who vouch cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds nobody who could vouch.
    #[error("{} holds no certificate of an authority as PEM", path.display())]
    NoAuthority {
        /// Which.
        path: PathBuf,
    },
    /// The machine trusts nobody, or does not say whom.
    #[error("whom this machine trusts cannot be found out")]
    NoTrust(#[source] rustls::Error),
    /// Our own certificate or its key is no good.
    #[error(transparent)]
    Client(#[from] CertificateError),
    /// None of the above: a fault of ours.
    #[error("TLS cannot be set up")]
    Unusable(#[source] rustls::Error),
}

/// Connects to upstreams over TLS.
pub struct Outgoing {
    server_name: Option<ServerName<'static>>,
    /// With all the protocols that may be spoken.
    any: TlsConnector,
    /// For what only HTTP/1.1 can do.
    http1: TlsConnector,
    http2: bool,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// Which protocols are offered on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// All that the settings allow.
    Any,
    /// HTTP/1.1 alone.
    Http1,
}

impl Outgoing {
    /// Reads the files that the settings name. Blocks.
    ///
    /// # Errors
    /// What is wrong with them, or with those whom the machine trusts.
    pub fn load(settings: &OutgoingSettings) -> Result<Self, OutgoingError> {
        let provider = super::provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = builder.map_err(OutgoingError::Unusable)?;
        let verifier = verifier(settings, &provider)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &settings.client {
            Some(files) => {
                let certificate = Certificate::parse(files, &Contents::read(files)?, &provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.key)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        let http1 = TlsConnector::from(Arc::new(config.clone()));
        if settings.http2 {
            config.alpn_protocols.insert(0, HTTP_2.to_vec());
        }
        let any = TlsConnector::from(Arc::new(config));
        Ok(Outgoing { server_name: settings.server_name.clone(), any, http1, http2: settings.http2 })
    }

    /// Whether HTTP/2 may come of a connection on which everything is offered.
    pub fn offers_http_2(&self) -> bool {
        self.http2
    }

    /// Shakes hands with whoever answers at an endpoint on this host.
    ///
    /// # Errors
    /// The connection broke, or the other end is not who it has to be.
    pub async fn connect(&self, host: &str, stream: TcpStream, offer: Offer) -> io::Result<TlsStream<TcpStream>> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        match offer {
            Offer::Any => self.any.connect(name, stream).await,
            Offer::Http1 => self.http1.connect(name, stream).await,
        }
    }
}

/// Whether HTTP/2 was agreed on.
pub fn speaks_http_2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

fn verifier(
    settings: &OutgoingSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, OutgoingError> {
    if settings.accept_anyone || !rule::holds(Rule::AnUpstreamProvesWhoItIs) {
        return Ok(Arc::new(Anyone(Arc::clone(provider))));
    }
    let Some(path) = &settings.ca else {
        let trusted = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
        return Ok(Arc::new(trusted.map_err(OutgoingError::NoTrust)?));
    };
    let text = std::fs::read(path).map_err(|source| OutgoingError::Unreadable { path: path.clone(), source })?;
    let nobody = || OutgoingError::NoAuthority { path: path.clone() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        roots.add(certificate.map_err(|_| nobody())?).map_err(|_| nobody())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(|_| nobody())?)
}

/// Takes everybody for whom it was to be, and still sees that they hold the key of what they show.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
