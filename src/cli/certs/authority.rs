//! An authority for this machine alone: made once, and known again.

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use super::CertsError;
use super::files;
use crate::clock::Timestamp;
use crate::random;

/// What tells certificates of this command from others.
const ORGANIZATION: &str = "Menshen development";

/// How long the authority is good.
const CA_DAYS: u32 = 3650;

/// How long a certificate for a site is good: longer than 398 days browsers take none.
pub(super) const SITE_DAYS: u32 = 397;

const DAY: Duration = Duration::from_secs(86_400);

/// Clocks of other machines may be behind.
const EARLIER: Duration = Duration::from_secs(3600);

/// An authority of this command's.
pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    until: Timestamp,
}

impl Authority {
    /// A new one.
    pub(super) fn make(now: Timestamp) -> Result<Self, CertsError> {
        let key = KeyPair::generate()?;
        // Told apart where several are trusted.
        let name = format!("{ORGANIZATION} CA {}", random::hex(&random::bytes::<4>()?));
        let until = now.plus(DAY * CA_DAYS);
        let mut params = params(&name);
        params.serial_number = Some(serial()?);
        is_good(&mut params, now.minus(EARLIER), until);
        let pem = params.self_signed(&key)?.pem();
        Ok(Authority { pem, issuer: Issuer::new(params, key), until })
    }

    /// The one in these files, if this command has made it.
    pub(super) fn open(chain: &Path, key: &Path) -> Result<Option<Self>, CertsError> {
        let (Some(pem), Some(key)) = (files::read(chain)?, key_in(key)?) else { return Ok(None) };
        let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else { return Ok(None) };
        let Ok((_, parsed)) = X509Certificate::from_der(&der) else { return Ok(None) };
        let its_key = parsed.public_key().raw == key.subject_public_key_info();
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let Some(name) = name.filter(|_| its_key && parsed.is_ca() && is_named_so(parsed.subject())) else {
            return Ok(None);
        };
        let until = Timestamp::from_secs(u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or_default());
        Ok(Some(Authority { issuer: Issuer::new(params(name), key), until, pem }))
    }

    /// Whether it is good for so many days more.
    pub(super) fn outlives(&self, days: u32, now: Timestamp) -> bool {
        self.until.since(now) >= DAY * days
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for a site, as PEM.
    pub(super) fn issue(&self, names: &[String], key: &KeyPair, now: Timestamp) -> Result<String, CertsError> {
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, ORGANIZATION);
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // Of one authority no two certificates may have the same; by itself it would be the key's.
        params.serial_number = Some(serial()?);
        is_good(&mut params, now.minus(EARLIER), end_of_site(now));
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }
}

/// Until when a certificate is good that is issued now.
pub(super) fn end_of_site(now: Timestamp) -> Timestamp {
    now.plus(DAY * SITE_DAYS)
}

/// Whether a certificate was issued by an authority of this command's.
pub(super) fn is_ours(chain: &Path) -> Result<bool, CertsError> {
    let Some(pem) = files::read(chain)? else { return Ok(false) };
    let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else { return Ok(false) };
    let parsed = X509Certificate::from_der(&der);
    Ok(parsed.is_ok_and(|(_, parsed)| is_named_so(parsed.issuer()) && is_named_so(parsed.subject())))
}

/// Whether a key is the one that a certificate was issued for.
pub(super) fn is_key_of(key: &Path, chain: &Path) -> Result<bool, CertsError> {
    let (Some(key), Some(pem)) = (key_in(key)?, files::read(chain)?) else { return Ok(false) };
    let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else { return Ok(false) };
    let parsed = X509Certificate::from_der(&der);
    Ok(parsed.is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info()))
}

/// The key in a file, if there is one.
pub(super) fn key_in(path: &Path) -> Result<Option<KeyPair>, CertsError> {
    Ok(files::read(path)?.and_then(|pem| KeyPair::from_pem(&pem).ok()))
}

fn is_named_so(name: &X509Name<'_>) -> bool {
    name.iter_organization().any(|name| name.as_str().is_ok_and(|name| name == ORGANIZATION))
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, ORGANIZATION);
    params.distinguished_name.push(DnType::CommonName, name);
    // For sites alone: nobody whom it vouches for can vouch for others.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn serial() -> Result<SerialNumber, CertsError> {
    let mut bytes = random::bytes::<16>()?;
    // Positive, and of its full length (RFC 5280, 4.1.2.2).
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn is_good(params: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let time_of = |at: Timestamp| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(at.as_secs());
    (params.not_before, params.not_after) = (time_of(from), time_of(until));
}
