//! `[upstreams.<name>.tls]`: whom an upstream has to prove to be, and who we are to it.

use std::sync::Arc;

use rustls::pki_types::ServerName;

use crate::config::error::{Findings, Remark};
use crate::config::exposure;
use crate::config::read;
use crate::config::section::Section;
use crate::tls::{CertificateError, Files, Outgoing, OutgoingError, OutgoingSettings};

/// Reads the section, and the files that it names. `is_spoken`: whether an endpoint speaks TLS.
pub(super) fn read(section: &Section<'_>, is_spoken: bool, log: &mut Findings) -> Option<Option<Arc<Outgoing>>> {
    let http2 = section.value("http2", log, read::flag);
    let verify = section.value("verify", log, read::flag);
    let ca = section.file("ca_file", log);
    let server_name = section.optional("server_name", log, read::text(server_name));
    let chain = section.file("chain_file", log);
    let key = section.file("key_file", log);
    if section.is_written() && !is_spoken {
        let remark = Remark::new("no endpoint of this upstream begins with https://").so("nothing of it is ever used");
        log.warn(&section.own_spot(), remark.fix("endpoints = [\"https://…\"], or remove the section"));
    }
    let (chain, key, ca, verify) = (chain?, key?, ca?, verify?);
    let client = match (chain, key) {
        (Some(chain), Some(key)) => {
            exposure::check_secret(&key, log);
            Some(Files { chain: chain.value, key: key.value })
        }
        (None, None) => None,
        (chain, _) => {
            let missing = if chain.is_some() { "key_file" } else { "chain_file" };
            let remark = Remark::new("a certificate and its key go together").so("one shows nothing without the other");
            log.missing(&section.spot(missing), remark.fix(format!("{missing} = \"certs/…\"")));
            return None;
        }
    };
    if let Some(ca) = ca.as_ref().filter(|_| !verify.value) {
        let remark = Remark::new("verify is false").so("the upstream may be anybody, and nobody has to vouch for it");
        log.error(&ca.spot, remark.fix("remove verify = false, or this key"));
        return None;
    }
    if !verify.value && is_spoken {
        let remark = Remark::new("the upstream may be anybody");
        let remark = remark.so("whoever answers in its place reads every session's identity, and can use it");
        log.warn(&verify.spot, remark.fix("ca_file = \"certs/ca.pem\": whoever issued the upstream's certificate"));
    }
    let settings = OutgoingSettings {
        ca: ca.map(|ca| ca.value),
        server_name: server_name?.map(|name| name.value),
        client,
        accept_anyone: !verify.value,
        http2: http2?.value,
    };
    if !is_spoken {
        return Some(None);
    }
    match Outgoing::load(&settings) {
        Ok(outgoing) => Some(Some(Arc::new(outgoing))),
        Err(error) => {
            report(&error, section, log);
            None
        }
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, Remark> {
    ServerName::try_from(text.to_owned()).map_err(|_| {
        Remark::expected("the name in the upstream's certificate: \"mall.internal\", or an address")
            .so("the upstream could not prove to be it")
            .fix("write a host name without port and scheme")
    })
}

fn report(error: &OutgoingError, section: &Section<'_>, log: &mut Findings) {
    let readable =
        "relative paths start in the folder of the configuration; Menshen's own user has to be able to read it";
    let (name, fix) = match error {
        OutgoingError::Unreadable { .. } => ("ca_file", readable),
        OutgoingError::NoAuthority { .. } => {
            ("ca_file", "from DER: openssl x509 -inform der -in ca.cer -out ca.pem; it holds certificates and no key")
        }
        OutgoingError::NoTrust(_) | OutgoingError::Unusable(_) => {
            ("ca_file", "install ca-certificates, or name whoever issued the upstream's certificate: ca_file = \"…\"")
        }
        OutgoingError::Client(error) => match error {
            CertificateError::Unreadable { is_key: true, .. } => ("key_file", readable),
            CertificateError::Unreadable { is_key: false, .. } => ("chain_file", readable),
            CertificateError::NoCertificate { .. } | CertificateError::Malformed { .. } => {
                ("chain_file", "our own certificate stands first, then those that vouch for it, as PEM")
            }
            CertificateError::NoKey { .. } | CertificateError::UnusableKey { .. } => {
                ("key_file", "a key of RSA or P-256 as PEM, decrypted: openssl pkey -in our.key -out plain.key")
            }
            CertificateError::AnothersKey { .. } => {
                ("key_file", "take the key that the certificate was asked for with, or have it issued anew")
            }
        },
    };
    let told = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    log.error(&section.spot(name), Remark::new(told).so("the upstream could not be spoken to").fix(fix));
}
