//! Who vouches for clients, and which of their certificates have been revoked.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::acceptor::{NoTickets, Tickets};
use super::client;
use crate::clock::Timestamp;
use crate::http::client_certificate::ClientAuth;

/// How lists begin that are written as PEM; others are DER.
const PEM: &[u8] = b"-----BEGIN";

/// Where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityFiles {
    /// The certificates of those who vouch, as PEM.
    pub ca: PathBuf,
    /// The lists of what they have revoked, as PEM or DER. None: nothing has been.
    pub crls: Vec<PathBuf>,
}

/// Why nobody can be verified.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nobody who could vouch.
    #[error("{} holds no certificate of an authority as PEM", path.display())]
    NoAuthority {
        /// Where.
        path: PathBuf,
    },
    /// There is no list that can be read.
    #[error("{} holds no revocation list (CRL) as PEM or DER that says until when it is good", path.display())]
    NoList {
        /// Where.
        path: PathBuf,
    },
    /// A list is good no more.
    #[error("{} holds a revocation list that was good until {since}", path.display())]
    Outdated {
        /// Where.
        path: PathBuf,
        /// Since when.
        since: Timestamp,
    },
    /// A list is of a kind that is not understood.
    #[error("a revocation list cannot be used")]
    Unusable(#[from] VerifierBuilderError),
    /// Nothing to seal tickets with.
    #[error(transparent)]
    NoTickets(#[from] NoTickets),
}

/// What the files came to when they were looked at again.
#[derive(Debug, PartialEq, Eq)]
pub enum AuthorityChange {
    /// They are others, and go for every handshake from now on. Where those lie who vouch.
    Taken(PathBuf),
    /// What is there now cannot be used, and has not been told of before: the old one goes on.
    Refused(String),
    /// A list that is in use is good no more: nobody is let in whom it is about. Told once.
    RunOut(PathBuf),
}

/// Whoever vouches for clients. Can be exchanged for what the files say by now.
#[derive(Debug)]
pub struct Authorities {
    present: ArcSwap<Trust>,
    /// Held while the files are read again.
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    files: AuthorityFiles,
    contents: Contents,
    fault: Option<String>,
    /// Whether it was told of a list that is good no more.
    is_told: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Contents {
    ca: Vec<u8>,
    crls: Vec<Vec<u8>>,
}

/// Whom we believe at one time.
#[derive(Debug)]
pub(super) struct Trust {
    optional: Asking,
    required: Asking,
    /// Until when each list is good.
    lists: Vec<(PathBuf, Timestamp)>,
    /// Who vouches, and has no list where there are some.
    without_list: Vec<String>,
}

/// How clients are asked. Tickets are for those alone who were asked in this way at this time: with the files another key is
/// made, so that whoever comes back then shows its certificate again, and a ticket of somebody who was not asked opens nothing
/// where certificates are wanted.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    pub(super) tickets: Tickets,
}

impl Authorities {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be used.
    pub fn load(files: AuthorityFiles, now: Timestamp) -> Result<Self, AuthorityError> {
        let contents = Contents::read(&files)?;
        let trust = Trust::of(&files, &contents, now)?;
        let held = Held { files, contents, fault: None, is_told: false };
        Ok(Authorities { present: ArcSwap::from_pointee(trust), held: Mutex::new(held) })
    }

    pub(super) fn present(&self) -> Arc<Trust> {
        self.present.load_full()
    }

    /// Those who vouch and have no list, where others have one: nobody comes in by them.
    pub fn without_list(&self) -> Vec<String> {
        self.present.load().without_list.clone()
    }

    /// Reads the files again. Where they cannot be used, everything stays as it was. Blocks.
    pub fn refresh(&self, now: Timestamp) -> Option<AuthorityChange> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let read = Contents::read(&held.files).and_then(|contents| match contents == held.contents {
            true => Ok(None),
            false => Trust::of(&held.files, &contents, now).map(|trust| Some((contents, trust))),
        });
        match read {
            Ok(Some((contents, trust))) => {
                self.present.store(Arc::new(trust));
                *held = Held { files: held.files.clone(), contents, fault: None, is_told: false };
                Some(AuthorityChange::Taken(held.files.ca.clone()))
            }
            Ok(None) => {
                held.fault = None;
                let present = self.present.load();
                let (path, _) = present.lists.iter().find(|(_, until)| *until < now)?;
                let is_new = !std::mem::replace(&mut held.is_told, true);
                is_new.then(|| AuthorityChange::RunOut(path.clone()))
            }
            Err(error) => {
                let fault = match error.source() {
                    Some(cause) => format!("{error}: {cause}"),
                    None => error.to_string(),
                };
                let is_new = held.fault.as_ref() != Some(&fault);
                held.fault = Some(fault.clone());
                is_new.then_some(AuthorityChange::Refused(fault))
            }
        }
    }
}

impl Contents {
    fn read(files: &AuthorityFiles) -> Result<Self, AuthorityError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| AuthorityError::Unreadable { path: path.clone(), source })
        };
        Ok(Contents { ca: read(&files.ca)?, crls: files.crls.iter().map(read).collect::<Result<_, _>>()? })
    }
}

impl Trust {
    fn of(files: &AuthorityFiles, contents: &Contents, now: Timestamp) -> Result<Self, AuthorityError> {
        let nobody = || AuthorityError::NoAuthority { path: files.ca.clone() };
        let (mut roots, mut names) = (RootCertStore::empty(), Vec::new());
        for certificate in CertificateDer::pem_slice_iter(&contents.ca) {
            let certificate = certificate.map_err(|_| nobody())?;
            let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|_| nobody())?;
            names.push((parsed.subject().as_raw().to_vec(), client::distinguished(parsed.subject())));
            roots.add(certificate).map_err(|_| nobody())?;
        }
        if roots.is_empty() {
            return Err(nobody());
        }
        let (mut crls, mut lists, mut issuers) = (Vec::new(), Vec::new(), Vec::new());
        for (path, text) in files.crls.iter().zip(&contents.crls) {
            for list in lists_of(path, text)? {
                let (issuer, until) =
                    issuer_and_end(&list).ok_or_else(|| AuthorityError::NoList { path: path.clone() })?;
                if until < now {
                    return Err(AuthorityError::Outdated { path: path.clone(), since: until });
                }
                issuers.push(issuer);
                lists.push((path.clone(), until));
                crls.push(list);
            }
        }
        names.retain(|(name, _)| !issuers.is_empty() && !issuers.contains(name));
        let without_list = names.into_iter().map(|(_, shown)| shown).collect();
        // What no list tells of is not let in, intermediate authorities neither, and a list that nobody renews is none: who
        // keeps one back brings no revoked certificate in.
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), super::provider());
        let builder = builder.with_crls(crls).enforce_revocation_expiration();
        let optional = Asking { verifier: builder.clone().allow_unauthenticated().build()?, tickets: Tickets::new()? };
        let required = Asking { verifier: builder.build()?, tickets: Tickets::new()? };
        Ok(Trust { optional, required, lists, without_list })
    }

    /// How clients are asked, if they are.
    pub(super) fn asking(&self, asked: ClientAuth) -> Option<&Asking> {
        match asked {
            ClientAuth::Off => None,
            ClientAuth::Optional => Some(&self.optional),
            ClientAuth::Required => Some(&self.required),
        }
    }

    /// Verifies once more what a client has shown before, when it got its ticket: meanwhile it may have expired, or the list
    /// that tells whether it was revoked.
    pub(super) fn verify(
        &self,
        asked: ClientAuth,
        shown: Option<&[CertificateDer<'_>]>,
        now: Timestamp,
    ) -> Result<(), rustls::Error> {
        match (self.asking(asked), shown) {
            (None, _) => Ok(()),
            (Some(asking), Some([certificate, others @ ..])) => {
                let now = UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis()));
                asking.verifier.verify_client_cert(certificate, others, now).map(drop)
            }
            (Some(asking), _) if !asking.verifier.client_auth_mandatory() => Ok(()),
            (Some(_), _) => Err(rustls::Error::NoCertificatesPresented),
        }
    }
}

fn lists_of(path: &Path, text: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, AuthorityError> {
    if memchr::memmem::find(text, PEM).is_none() {
        return Ok(vec![CertificateRevocationListDer::from(text.to_vec())]);
    }
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(text).collect();
    let lists = lists.ok().filter(|lists| !lists.is_empty());
    lists.ok_or_else(|| AuthorityError::NoList { path: path.to_owned() })
}

/// Whose list it is, and until when it is good.
fn issuer_and_end(list: &CertificateRevocationListDer<'_>) -> Option<(Vec<u8>, Timestamp)> {
    let (_, parsed) = CertificateRevocationList::from_der(list).ok()?;
    let until = u64::try_from(parsed.next_update()?.timestamp()).unwrap_or_default();
    Some((parsed.issuer().as_raw().to_vec(), Timestamp::from_secs(until)))
}
