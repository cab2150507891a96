//! Lists of what authorities have revoked (CRL, RFC 5280, 5).

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::authorities::AuthorityError;
use crate::clock::Timestamp;

/// How lists begin that are written as PEM; others are DER.
const PEM: &[u8] = b"-----BEGIN";

/// A list.
pub(super) struct RevocationList {
    pub(super) path: PathBuf,
    pub(super) der: CertificateRevocationListDer<'static>,
    /// Whose it is: their name as DER.
    pub(super) issuer: Vec<u8>,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

impl RevocationList {
    /// Every list in a file.
    ///
    /// # Errors
    /// It holds none, or one that does not say until when it is good.
    pub(super) fn all_in(path: &Path, text: &[u8]) -> Result<Vec<Self>, AuthorityError> {
        let none = || AuthorityError::NoList { path: path.to_owned() };
        let lists = if memchr::memmem::find(text, PEM).is_none() {
            vec![CertificateRevocationListDer::from(text.to_vec())]
        } else {
            let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(text).collect();
            lists.ok().filter(|lists| !lists.is_empty()).ok_or_else(none)?
        };
        lists.into_iter().map(|list| Self::read(path, list).ok_or_else(none)).collect()
    }

    fn read(path: &Path, der: CertificateRevocationListDer<'static>) -> Option<Self> {
        let (_, parsed) = CertificateRevocationList::from_der(&der).ok()?;
        let at = |seconds: i64| Timestamp::from_secs(u64::try_from(seconds).unwrap_or_default());
        let (since, until) = (at(parsed.last_update().timestamp()), at(parsed.next_update()?.timestamp()));
        let issuer = parsed.issuer().as_raw().to_vec();
        Some(RevocationList { path: path.to_owned(), issuer, since, until, der })
    }
}
