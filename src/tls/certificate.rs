//! One certificate, from its two files to what can be shown to clients.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::Files;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// Why two files make no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Whether it is the key's.
        is_key: bool,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no certificate.
    #[error("{} holds no certificate as PEM", path.display())]
    NoCertificate {
        /// Where.
        path: PathBuf,
    },
    /// There is no key, or none in a form that is known.
    #[error("{} holds no private key as PEM (PKCS #8, PKCS #1 or SEC1; one under a password has to be decrypted)", path.display())]
    NoKey {
        /// Where.
        path: PathBuf,
    },
    /// The key is of a kind that cannot sign here.
    #[error("{} holds a key that cannot be used", path.display())]
    UnusableKey {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The certificate is for another key.
    #[error("{} is not the key of {}", key.display(), chain.display())]
    AnothersKey {
        /// The certificate.
        chain: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The first certificate is none of X.509.
    #[error("{} begins with a certificate that cannot be read", path.display())]
    Malformed {
        /// Where.
        path: PathBuf,
    },
}

/// For whom a certificate is, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    /// Where it lies.
    pub chain: PathBuf,
    /// The host names, lower case; the first label of one may be `*`.
    pub names: Vec<String>,
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
}

/// A certificate that stands in no file.
#[derive(Clone)]
pub struct Issued {
    /// What it is called where others have a path.
    pub label: PathBuf,
    /// The certificate, then those that vouch for it, as PEM.
    pub chain: String,
    /// Its private key, as PEM.
    pub key: Secret<String>,
}

impl Issued {
    /// For whom it is, and when.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validity(&self) -> Result<Validity, CertificateError> {
        Ok(self.certificate(&super::provider())?.validity)
    }

    pub(super) fn certificate(&self, provider: &CryptoProvider) -> Result<Certificate, CertificateError> {
        let files = Files { chain: self.label.clone(), key: self.label.clone() };
        let key = Zeroizing::new(self.key.expose().as_bytes().to_vec());
        Certificate::parse(&files, &Contents { chain: self.chain.as_bytes().to_vec(), key }, provider)
    }
}

/// A certificate and its key.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) validity: Validity,
}

impl Certificate {
    /// From the contents of its files.
    pub(super) fn parse(
        files: &Files,
        contents: &Contents,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let path = || files.chain.clone();
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents.chain).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| CertificateError::NoCertificate { path: path() })?;
        let validity = chain.first().and_then(|first| validity(files, first));
        let validity = validity.ok_or_else(|| CertificateError::Malformed { path: path() })?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_: pem::Error| CertificateError::NoKey { path: files.key.clone() })?;
        let unusable = |source| CertificateError::UnusableKey { path: files.key.clone(), source };
        let key = provider.key_provider.load_private_key(key).map_err(unusable)?;
        let key = CertifiedKey::new(chain, key);
        // A key that cannot tell its public half is taken at its word: then only a client can find out.
        if let Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) = key.keys_match() {
            return Err(CertificateError::AnothersKey { chain: path(), key: files.key.clone() });
        }
        Ok(Certificate { key: Arc::new(key), validity })
    }
}

/// What a certificate's two files hold. Compared, to see whether they have changed.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    chain: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Contents {
    pub(super) fn read(files: &Files) -> Result<Self, CertificateError> {
        let read = |path: &PathBuf, is_key| {
            let unreadable = |source| CertificateError::Unreadable { path: path.clone(), is_key, source };
            std::fs::read(path).map_err(unreadable)
        };
        Ok(Contents { chain: read(&files.chain, false)?, key: Zeroizing::new(read(&files.key, true)?) })
    }
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

/// For whom, and when (RFC 5280, 4.1.2.5 and 4.2.1.6).
fn validity(files: &Files, certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()?.map(|names| &names.value.general_names);
    let names = names
        .into_iter()
        .flatten()
        .filter_map(|name| if let GeneralName::DNSName(name) = name { Some(name.to_ascii_lowercase()) } else { None });
    let at = |seconds: i64| Timestamp::from_secs(u64::try_from(seconds).unwrap_or_default());
    Some(Validity {
        chain: files.chain.clone(),
        names: names.collect(),
        not_before: at(parsed.validity().not_before.timestamp()),
        not_after: at(parsed.validity().not_after.timestamp()),
    })
}
