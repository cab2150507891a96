//! What clients are asked for in their handshake, and what they showed.

use std::sync::Arc;

use http::HeaderValue;

/// Whether clients are asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// They are not.
    #[default]
    Off,
    /// They are, and may have none.
    Optional,
    /// They are, and without one that somebody vouches for no handshake comes about.
    Required,
}

/// A handshake that has come about.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// What the client was asked for.
    pub asked: ClientAuth,
    /// What it showed: verified, and not revoked.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// What a certificate says, as it can be told in header fields. What is too long to be told whole is not told at all: half
/// of a name may be somebody else's.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// Whom it is for, as RFC 4514 writes it.
    pub subject: Option<HeaderValue>,
    /// Who vouches for it, written likewise.
    pub issuer: Option<HeaderValue>,
    /// Its further names, such as `DNS:shop.example, email:a@b.example`.
    pub alternative_names: Option<HeaderValue>,
    /// The number that its issuer gave it, in hexadecimal digits.
    pub serial: Option<HeaderValue>,
    /// SHA-256 of all of it, in hexadecimal digits.
    pub fingerprint: Option<HeaderValue>,
}

/// One thing that a certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateField {
    /// That there is one.
    Verified,
    /// [`ClientCertificate::subject`].
    Subject,
    /// [`ClientCertificate::issuer`].
    Issuer,
    /// [`ClientCertificate::alternative_names`].
    AlternativeNames,
    /// [`ClientCertificate::serial`].
    Serial,
    /// [`ClientCertificate::fingerprint`].
    Fingerprint,
}

/// Every field, as a configuration names it.
pub const CERTIFICATE_FIELDS: [(&str, CertificateField); 6] = [
    ("verified", CertificateField::Verified),
    ("subject", CertificateField::Subject),
    ("issuer", CertificateField::Issuer),
    ("san", CertificateField::AlternativeNames),
    ("serial", CertificateField::Serial),
    ("fingerprint", CertificateField::Fingerprint),
];

impl ClientCertificate {
    /// What it says of this.
    pub fn field(&self, field: CertificateField) -> Option<HeaderValue> {
        match field {
            CertificateField::Verified => Some(HeaderValue::from_static("true")),
            CertificateField::Subject => self.subject.clone(),
            CertificateField::Issuer => self.issuer.clone(),
            CertificateField::AlternativeNames => self.alternative_names.clone(),
            CertificateField::Serial => self.serial.clone(),
            CertificateField::Fingerprint => self.fingerprint.clone(),
        }
    }
}
