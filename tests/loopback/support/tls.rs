//! A certificate authority of the test's own, and clients that trust it alone.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use menshen::clock::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList, CertificateRevocationListParams, CertifiedIssuer,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, PublicKeyData, RevokedCertParams, SerialNumber,
};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;

use super::Connection;

/// A certificate authority, and the folder of what it issued.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = menshen::random::hex(&menshen::random::bytes::<4>().unwrap());
        params.distinguished_name.push(DnType::CommonName, format!("authority {name}"));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority { issuer, folder: tempfile::tempdir().unwrap() }
    }

    /// Issues a certificate for names into files of this name; those that were there before are replaced.
    pub fn issue(&self, file: &str, names: &[&str]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        fs::write(self.chain(file), certificate.pem()).unwrap();
        fs::write(self.key(file), key.serialize_pem()).unwrap();
    }

    pub fn chain(&self, file: &str) -> PathBuf {
        self.folder.path().join(format!("{file}.pem"))
    }

    pub fn key(&self, file: &str) -> PathBuf {
        self.folder.path().join(format!("{file}.key"))
    }

    /// `[[tls.certificates]]` for files that were issued.
    pub fn section(&self, files: &[&str]) -> String {
        let section = |file: &&str| {
            format!("[[tls.certificates]]\nchain_file = {:?}\nkey_file = {:?}\n", self.chain(file), self.key(file))
        };
        files.iter().map(section).collect()
    }

    /// As [`Authority::issue`], for a name and a time that is over.
    pub fn issue_expired(&self, file: &str, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.chain(file), certificate.pem()).unwrap();
        fs::write(self.key(file), key.serialize_pem()).unwrap();
    }

    /// Issues a certificate for a client, with this number and good until this year, into files of this name.
    pub fn issue_to(&self, file: &str, subject: &str, number: u8, until: i32) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([format!("{file}.clients.example")]).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.serial_number = Some(SerialNumber::from_slice(&[number]));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.chain(file), certificate.pem()).unwrap();
        fs::write(self.key(file), key.serialize_pem()).unwrap();
    }

    /// A certificate for whoever has this key, good between these times, as PEM.
    pub fn certify(&self, name: &str, key: &impl PublicKeyData, from: Timestamp, until: Timestamp) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        let at = |time: Timestamp| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(time.as_secs());
        (params.not_before, params.not_after) = (at(from), at(until));
        params.signed_by(key, &self.issuer).unwrap().pem()
    }

    /// A list of the numbers that it has revoked, good until this year.
    pub fn revoked(&self, numbers: &[u8], until: i32) -> CertificateRevocationList {
        self.revoked_since(numbers, 2020, until)
    }

    /// As [`Authority::revoked`], made in this year.
    pub fn revoked_since(&self, numbers: &[u8], since: i32, until: i32) -> CertificateRevocationList {
        let revoked = |number: &u8| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[*number]),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(since, 1, 1),
            next_update: rcgen::date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: numbers.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap()
    }

    /// Its own certificate, in a file.
    pub fn ca_file(&self) -> PathBuf {
        let path = self.folder.path().join("ca.pem");
        fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    /// Shows what was issued into files of this name, and speaks these protocols. `asks`: only with clients whom it
    /// vouches for.
    pub fn server(&self, file: &str, alpn: &[&[u8]], asks: bool) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = match asks {
            false => builder.unwrap().with_no_client_auth(),
            true => {
                let roots = Arc::new(self.roots());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap();
                builder.unwrap().with_client_cert_verifier(verifier)
            }
        };
        let chain = CertificateDer::pem_file_iter(self.chain(file)).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(self.key(file)).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// Trusts it, and speaks these versions.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        Arc::new(self.trusting(versions).with_no_client_auth())
    }

    /// As [`Authority::client`], and shows what `issuer` has issued into files of this name.
    pub fn client_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        issuer: &Authority,
        file: &str,
    ) -> Arc<ClientConfig> {
        let chain = CertificateDer::pem_file_iter(issuer.chain(file)).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(issuer.key(file)).unwrap();
        // Whatever authorities the proxy names: one that nobody vouches for is to be seen too.
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let shown = Arc::new(rustls::sign::SingleCertAndKey::from(CertifiedKey::new(chain, key)));
        Arc::new(self.trusting(versions).with_client_cert_resolver(shown))
    }

    fn trusting(&self, versions: &[&'static SupportedProtocolVersion]) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        config.with_root_certificates(self.roots())
    }
}

impl Connection {
    /// A connection that speaks TLS, to whoever proves to be `name`.
    pub fn secured(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> Result<Self, std::io::Error> {
        Connection::to(address).secured_as(name, config)
    }

    /// As [`Connection::secured`], on a connection that is there.
    pub fn secured_as(mut self, name: &str, config: &Arc<ClientConfig>) -> Result<Self, std::io::Error> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(self.stream())?;
        }
        self.secure(tls);
        Ok(self)
    }
}
