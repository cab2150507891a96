//! Whether a name is the proxy's, as an authority finds out.

use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::support::Connection;

/// RFC 8555, 8.3.
pub(super) fn by_http(address: SocketAddr, name: &str, token: &str, answer: &str) -> Result<(), String> {
    let target = format!("/.well-known/acme-challenge/{token}");
    let asked = format!("GET {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    let answered = Connection::to(address).send(asked).answer();
    match (answered.status, answered.text()) {
        (200, text) if text == answer => Ok(()),
        (status, text) => Err(format!("by http {status} {text:.20}")),
    }
}

/// RFC 8737, 3.
pub(super) fn by_tls(address: SocketAddr, name: &str, answer: &str) -> Result<(), String> {
    let seen = Arc::new(Seen::default());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let verifier = Arc::clone(&seen) as Arc<dyn ServerCertVerifier>;
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    TcpStream::connect(address).map_err(|error| format!("by tls {error}"))?;
    let connected = Connection::secured(address, name, &Arc::new(config)).map_err(|error| format!("by tls {error}"))?;
    if connected.tls().alpn_protocol() != Some(b"acme-tls/1") {
        return Err("by tls another protocol".to_owned());
    }
    let shown = seen.0.lock().unwrap().take().ok_or("by tls no certificate")?;
    let (_, shown) = X509Certificate::from_der(&shown).map_err(|_| "by tls no X.509")?;
    let names = shown.subject_alternative_name().unwrap().map(|names| &names.value.general_names);
    if !matches!(names.map(Vec::as_slice), Some([GeneralName::DNSName(only)]) if *only == name) {
        return Err(format!("by tls a certificate for {names:?}"));
    }
    let mut expected = vec![4, 32];
    expected.extend_from_slice(digest(&SHA256, answer.as_bytes()).as_ref());
    let proof = shown.extensions().iter().find(|extension| extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
    match proof {
        Some(proof) if proof.critical && proof.value == expected => Ok(()),
        _ => Err("by tls no proof".to_owned()),
    }
}

/// What was shown, whoever vouches for it.
#[derive(Debug, Default)]
struct Seen(Mutex<Option<CertificateDer<'static>>>);

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = Some(shown.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("no authority need speak this version".to_owned()))
    }

    /// With the key alone: a critical extension that only authorities know makes it no certificate for anybody else.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let (_, parsed) = X509Certificate::from_der(shown).unwrap();
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
        let algorithms = algorithms().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().signature_verification_algorithms.supported_schemes()
    }
}

fn algorithms() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}
