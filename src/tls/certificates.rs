//! Every certificate, found by the name a client asks for (SNI, RFC 6066).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Files;
use super::certificate::{Certificate, CertificateError, Contents, Issued, Validity};

/// Every certificate. What is shown can be exchanged for what the files say by now, or for what was issued since.
#[derive(Debug)]
pub struct Certificates {
    provider: Arc<CryptoProvider>,
    shown: ArcSwap<Shown>,
    listing: Mutex<Listing>,
    /// Held while the files are read again, which may take long.
    held: Mutex<Vec<Held>>,
}

/// Every certificate, by where it comes from.
#[derive(Debug, Default)]
struct Listing {
    from_files: Vec<Arc<Certificate>>,
    issued: Vec<Arc<Certificate>>,
}

/// A certificate as its files were when it was read last.
#[derive(Debug)]
struct Held {
    files: Files,
    contents: Contents,
    certificate: Arc<Certificate>,
    /// What was wrong with the files when they were looked at last.
    fault: Option<String>,
}

/// What the files came to when they were looked at again.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// There is another certificate, which is shown from now on.
    Taken(Validity),
    /// What is there now makes none, and has not been told of before: the old one is still shown.
    Refused(String),
}

impl Certificates {
    /// Reads every certificate.
    ///
    /// # Errors
    /// What is wrong with each that cannot be used, by its place in the list.
    pub fn load(files: &[Files]) -> Result<Self, Vec<(usize, CertificateError)>> {
        let provider = super::provider();
        let (mut held, mut faults) = (Vec::new(), Vec::new());
        for (at, files) in files.iter().enumerate() {
            match read(files, &provider) {
                Ok((contents, certificate)) => {
                    held.push(Held { files: files.clone(), contents, certificate, fault: None });
                }
                Err(error) => faults.push((at, error)),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let certificates = Certificates {
            provider,
            shown: ArcSwap::from_pointee(Shown::of(&Listing::default())),
            listing: Mutex::default(),
            held: Mutex::default(),
        };
        certificates.list(|listing| listing.from_files = of_files(&held));
        Ok(Certificates { held: Mutex::new(held), ..certificates })
    }

    /// Shows what was issued, in place of the certificate of the same label before it.
    ///
    /// # Errors
    /// What is wrong with it; then everything stays as it was.
    pub fn show(&self, issued: &Issued) -> Result<Validity, CertificateError> {
        let certificate = Arc::new(issued.certificate(&self.provider)?);
        let validity = certificate.validity.clone();
        self.list(|listing| {
            // In its place: the first is for clients that ask for no name.
            match listing.issued.iter_mut().find(|before| before.validity.chain == validity.chain) {
                Some(before) => *before = certificate,
                None => listing.issued.push(certificate),
            }
        });
        Ok(validity)
    }

    fn list(&self, change: impl FnOnce(&mut Listing)) {
        let mut listing = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut listing);
        self.shown.store(Arc::new(Shown::of(&listing)));
    }

    /// For whom each is, and until when.
    pub fn validities(&self) -> Vec<Validity> {
        self.shown.load().list.iter().map(|certificate| certificate.validity.clone()).collect()
    }

    /// Reads the files again. One whose files make no certificate any more stays as it was. Blocks.
    pub fn refresh(&self) -> Vec<Change> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let changes: Vec<_> = held.iter_mut().filter_map(|held| held.refresh(&self.provider)).collect();
        if changes.iter().any(|change| matches!(change, Change::Taken(_))) {
            self.list(|listing| listing.from_files = of_files(&held));
        }
        changes
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let can_sign = |certificate: &&Arc<Certificate>| certificate.key.key.choose_scheme(schemes).is_some();
        self.shown.load().find(hello.server_name(), can_sign).map(|certificate| Arc::clone(&certificate.key))
    }
}

impl Held {
    fn refresh(&mut self, provider: &CryptoProvider) -> Option<Change> {
        match read(&self.files, provider) {
            Ok((contents, _)) if contents == self.contents => {
                self.fault = None;
                None
            }
            Ok((contents, certificate)) => {
                let validity = certificate.validity.clone();
                let files = self.files.clone();
                *self = Held { files, contents, certificate, fault: None };
                Some(Change::Taken(validity))
            }
            Err(error) => {
                let fault = chain(&error);
                let is_new = self.fault.as_ref() != Some(&fault);
                self.fault = Some(fault.clone());
                is_new.then_some(Change::Refused(fault))
            }
        }
    }
}

fn of_files(held: &[Held]) -> Vec<Arc<Certificate>> {
    held.iter().map(|held| Arc::clone(&held.certificate)).collect()
}

fn read(files: &Files, provider: &CryptoProvider) -> Result<(Contents, Arc<Certificate>), CertificateError> {
    let contents = Contents::read(files)?;
    let certificate = Certificate::parse(files, &contents, provider)?;
    Ok((contents, Arc::new(certificate)))
}

fn chain(error: &CertificateError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What clients are shown.
#[derive(Debug)]
struct Shown {
    list: Vec<Arc<Certificate>>,
    /// By name, as in the certificate: their places in the list.
    by_name: HashMap<String, Vec<usize>>,
}

impl Shown {
    fn of(listing: &Listing) -> Self {
        let list: Vec<_> = listing.from_files.iter().chain(&listing.issued).map(Arc::clone).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, certificate) in list.iter().enumerate() {
            for name in &certificate.validity.names {
                by_name.entry(name.clone()).or_default().push(at);
            }
        }
        Shown { list, by_name }
    }

    /// The certificate for a name: one that names it, or else one whose `*` stands for its first label (RFC 6125,
    /// 6.4.3), or else the first there is. Of several, the first that can sign as the client understands.
    fn find(&self, name: Option<&str>, can_sign: impl Fn(&&Arc<Certificate>) -> bool) -> Option<&Arc<Certificate>> {
        let named = |name: &str| {
            let places = self.by_name.get(name).into_iter().flatten();
            places.filter_map(|at| self.list.get(*at)).find(&can_sign)
        };
        let name = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let found = name.and_then(|name| {
            let wildcard = || named(&format!("*.{}", name.split_once('.')?.1));
            named(&name).or_else(wildcard)
        });
        found.or_else(|| self.list.iter().find(&can_sign)).or(self.list.first())
    }
}
