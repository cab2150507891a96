//! What a certificate authority is shown that asks by TLS whether a name is ours (tls-alpn-01, RFC 8737).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// As ALPN names it (RFC 8737, 6.2).
pub(super) const ACME_TLS_1: &[u8] = b"acme-tls/1";

/// The answers to challenges that are open, by the name they are about. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Challenges(Arc<RwLock<HashMap<String, Arc<CertifiedKey>>>>);

impl Challenges {
    /// Shows this for a name, in small letters, until it is [taken back](Challenges::take_back).
    pub fn post(&self, name: &str, answer: CertifiedKey) {
        let mut open = self.0.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(name.to_owned(), Arc::new(answer));
    }

    /// Shows nothing for a name any more.
    pub fn take_back(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// How hands are shaken with an authority: nobody is asked for a certificate, and nothing is remembered.
    pub(super) fn config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let config = ServerConfig::builder_with_provider(super::provider()).with_safe_default_protocol_versions()?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![ACME_TLS_1.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&name).map(Arc::clone)
    }
}

/// Whether a client has come for nothing but a challenge: it knows that protocol alone (RFC 8737, 3).
pub(super) fn is_for_a_challenge(hello: &ClientHello<'_>) -> bool {
    let mut protocols = hello.alpn().into_iter().flatten();
    protocols.next() == Some(ACME_TLS_1) && protocols.next().is_none()
}
