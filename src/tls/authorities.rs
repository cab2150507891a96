//! Who vouches for clients, and which of their certificates have been revoked.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};
use x509_parser::x509::X509Name;

use super::acceptor::{NoTickets, Tickets};
use super::client;
use super::revocation_lists::RevocationList;
use crate::clock::Timestamp;
use crate::error_chain::ErrorChain;
use crate::http::client_certificate::ClientAuth;
use crate::rule::{self, Rule};

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
    /// Somebody who may vouch for nobody.
    #[error("{} holds a certificate that is no authority's: {subject}", path.display())]
    NotAnAuthority {
        /// Where.
        path: PathBuf,
        /// Whose.
        subject: String,
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
    /// What is in a file now cannot be used, and has not been told of before: what was in it goes on.
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
    /// What is wrong with what is in files now, by the file.
    faults: BTreeMap<PathBuf, String>,
    /// The lists that it was told of that they are good no more.
    told: BTreeSet<(PathBuf, Timestamp)>,
}

/// What each file held when it could be used last.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Who vouches, and whom another one vouches for, where there are lists.
    between: Vec<String>,
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
    pub fn load(files: AuthorityFiles) -> Result<Self, AuthorityError> {
        let contents = Contents::read(&files)?;
        let trust = Trust::of(&files, &contents)?;
        let held = Held { files, contents, faults: BTreeMap::new(), told: BTreeSet::new() };
        Ok(Authorities { present: ArcSwap::from_pointee(trust), held: Mutex::new(held) })
    }

    pub(super) fn present(&self) -> Arc<Trust> {
        self.present.load_full()
    }

    /// Those who vouch and have no list, where others have one: nobody comes in by them.
    pub fn without_list(&self) -> Vec<String> {
        self.present.load().without_list.clone()
    }

    /// Those who vouch and whom another one vouches for, where there are lists: that one's list is never asked about them.
    pub fn between(&self) -> Vec<String> {
        self.present.load().between.clone()
    }

    /// The lists that are good no more, and since when: nobody is let in whom they are about.
    pub fn outdated(&self, now: Timestamp) -> Vec<(PathBuf, Timestamp)> {
        self.present.load().lists.iter().filter(|(_, until)| *until < now).cloned().collect()
    }

    /// Has whoever comes back show their certificate again.
    pub(super) fn forget_tickets(&self) -> Result<(), NoTickets> {
        let present = self.present.load();
        let asking = |asking: &Asking| {
            Ok::<_, NoTickets>(Asking { verifier: Arc::clone(&asking.verifier), tickets: Tickets::new()? })
        };
        let (optional, required) = (asking(&present.optional)?, asking(&present.required)?);
        let (lists, without_list, between) =
            (present.lists.clone(), present.without_list.clone(), present.between.clone());
        // Whoever is believed since has tickets of their own, and is not to be undone.
        let anew = Arc::new(Trust { optional, required, lists, without_list, between });
        self.present.compare_and_swap(&present, anew);
        Ok(())
    }

    /// Reads the files again. What cannot be used stays as it was, file by file: what one authority has revoked does not
    /// wait for another one's list. Blocks.
    pub fn refresh(&self, now: Timestamp) -> Vec<AuthorityChange> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut contents, mut faults) = (held.contents.clone(), BTreeMap::new());
        contents.renew(&held.files, &mut faults);
        let mut changes = Vec::new();
        if contents != held.contents {
            match Trust::of(&held.files, &contents) {
                Ok(trust) => {
                    self.present.store(Arc::new(trust));
                    held.contents = contents;
                    changes.push(AuthorityChange::Taken(held.files.ca.clone()));
                }
                Err(error) => drop(faults.insert(held.files.ca.clone(), ErrorChain(&error).to_string())),
            }
        }
        let is_new = |(path, fault): &(&PathBuf, &String)| held.faults.get(*path) != Some(fault);
        changes.extend(faults.iter().filter(is_new).map(|(_, fault)| AuthorityChange::Refused(fault.clone())));
        held.faults = faults;
        let outdated: BTreeSet<_> = self.outdated(now).into_iter().collect();
        changes.extend(outdated.difference(&held.told).map(|(path, _)| AuthorityChange::RunOut(path.clone())));
        held.told = outdated;
        changes
    }
}

impl Contents {
    fn read(files: &AuthorityFiles) -> Result<Self, AuthorityError> {
        Ok(Contents { ca: read(&files.ca)?, crls: files.crls.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// Takes up what can be used of what the files hold now.
    fn renew(&mut self, files: &AuthorityFiles, faults: &mut BTreeMap<PathBuf, String>) {
        let mut take = |path: &PathBuf, before: &mut Vec<u8>, check: &dyn Fn(&[u8]) -> Result<(), AuthorityError>| {
            let now = read(path).and_then(|now| if now == *before { Ok(now) } else { check(&now).map(|()| now) });
            match now {
                Ok(now) => *before = now,
                Err(error) => drop(faults.insert(path.clone(), ErrorChain(&error).to_string())),
            }
        };
        take(&files.ca, &mut self.ca, &|text| roots(&files.ca, text).map(drop));
        for (path, before) in files.crls.iter().zip(&mut self.crls) {
            take(path, before, &|text| RevocationList::all_in(path, text).map(drop));
        }
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, AuthorityError> {
    std::fs::read(path).map_err(|source| AuthorityError::Unreadable { path: path.clone(), source })
}

/// Somebody who vouches.
struct Root {
    /// As DER.
    name: Vec<u8>,
    issuer: Vec<u8>,
    shown: String,
}

/// Everybody in a file.
fn roots(path: &Path, text: &[u8]) -> Result<(RootCertStore, Vec<Root>), AuthorityError> {
    let nobody = || AuthorityError::NoAuthority { path: path.to_owned() };
    let (mut store, mut roots) = (RootCertStore::empty(), Vec::new());
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate = certificate.map_err(|_| nobody())?;
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|_| nobody())?;
        let shown = client::distinguished(parsed.subject());
        // Whom the library takes for one, whatever stands in the certificate.
        let may_vouch = parsed.is_ca() || parsed.version() != X509Version::V3;
        if !may_vouch && rule::holds(Rule::AuthoritiesAloneVouch) {
            return Err(AuthorityError::NotAnAuthority { path: path.to_owned(), subject: shown });
        }
        let name = |name: &X509Name<'_>| name.as_raw().to_vec();
        roots.push(Root { name: name(parsed.subject()), issuer: name(parsed.issuer()), shown });
        store.add(certificate).map_err(|_| nobody())?;
    }
    if store.is_empty() { Err(nobody()) } else { Ok((store, roots)) }
}

impl Trust {
    fn of(files: &AuthorityFiles, contents: &Contents) -> Result<Self, AuthorityError> {
        let (store, roots) = roots(&files.ca, &contents.ca)?;
        let mut lists = Vec::new();
        for (path, text) in files.crls.iter().zip(&contents.crls) {
            lists.extend(RevocationList::all_in(path, text)?);
        }
        // Of several by one authority the first is asked, and no other.
        if rule::holds(Rule::TheNewestListIsAsked) {
            lists.sort_by_key(|list| std::cmp::Reverse(list.since));
        }
        let has_list = |root: &&Root| lists.iter().any(|list| list.issuer == root.name);
        let is_between = |root: &&Root| {
            root.issuer != root.name && roots.iter().any(|other| other.name == root.issuer) && !lists.is_empty()
        };
        let shown = |root: &Root| root.shown.clone();
        let without_list = roots.iter().filter(|root| !lists.is_empty() && !has_list(root)).map(shown).collect();
        let between = roots.iter().filter(is_between).map(shown).collect();
        let is_first =
            |at: usize, list: &RevocationList| !lists.iter().take(at).any(|other| other.issuer == list.issuer);
        let asked = lists.iter().enumerate().filter(|(at, list)| is_first(*at, list));
        let until = asked.map(|(_, list)| (list.path.clone(), list.until)).collect();
        let crls: Vec<_> = lists.into_iter().map(|list| list.der).collect();
        // What no list tells of is not let in, intermediate authorities neither, and a list that nobody renews is none: who
        // keeps one back brings no revoked certificate in.
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), super::provider());
        let builder = builder.with_crls(crls).enforce_revocation_expiration();
        let optional = Asking { verifier: builder.clone().allow_unauthenticated().build()?, tickets: Tickets::new()? };
        let required = Asking { verifier: builder.build()?, tickets: Tickets::new()? };
        Ok(Trust { optional, required, lists: until, without_list, between })
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
