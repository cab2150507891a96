//! `[tls]`: what is shown to clients that speak it. Where they do is `server.listen_tls`.

use std::sync::Arc;
use std::time::Duration;

use super::acme;
use crate::config::error::{Findings, Remark, Spot};
use crate::config::exposure;
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::site::Origin;
use crate::tls::{CertificateError, Certificates, Clients, Files, Settings, Version};

/// What is known of it.
pub(super) struct Known {
    /// What it comes to; `Some(None)`: no TLS.
    pub(super) settings: Option<Option<Settings>>,
    /// Those that are to be issued.
    awaited: Vec<String>,
    /// How long browsers are told to come with TLS.
    pub(super) hsts: Option<Given<Duration>>,
    spot: Spot,
}

/// What there is to listen at.
#[derive(Clone, Copy)]
pub(super) struct Listens {
    pub(super) plain: bool,
    pub(super) tls: bool,
}

/// Reads the section, and the certificates that it names.
pub(super) fn read(section: &Section<'_>, listens: Listens, acme: &acme::Known, log: &mut Findings) -> Known {
    let awaited: Vec<_> = acme.names.clone().values().collect();
    let are_awaited = !awaited.is_empty() || !acme.names.whole;
    let spot = section.spot("certificates");
    let min_version = section.value("min_version", log, read::choice(&[Version::Tls12, Version::Tls13]));
    let http2 = section.value("http2", log, read::flag);
    let redirects = section.value("redirect", log, read::flag);
    let hsts = section.value("hsts", log, read::duration);
    let sections = section.listed("certificates");
    let files: Vec<_> = sections.iter().map(|section| self::files(section, log)).collect();
    if files.is_empty() && !are_awaited && listens.tls {
        let remark =
            Remark::new("names no certificate, and server.listen_tls an address").so("no browser could connect there");
        let example = "[[tls.certificates]]\nchain_file = \"certs/site.pem\"\nkey_file = \"certs/site.key\"";
        log.missing(&spot, remark.fix(example));
        return Known { settings: None, awaited, hsts, spot };
    }
    if !files.is_empty() && !listens.tls {
        let remark =
            Remark::new("names a certificate, while server.listen_tls has no address").so("nobody is ever shown it");
        log.warn(&spot, remark.fix("server.listen_tls = [\"0.0.0.0:443\"]"));
    }
    let certificates = match files.iter().cloned().collect::<Option<Vec<_>>>() {
        Some(files) if files.is_empty() && !(are_awaited && listens.tls) => {
            return Known { settings: min_version.map(|_| None), awaited, hsts, spot };
        }
        Some(files) => load(&files, &sections, log),
        None => None,
    };
    let settings = || {
        Some(Some(Settings {
            certificates: certificates?,
            min_version: min_version?.value,
            http2: http2?.value,
            redirects: redirects?.value,
            hsts: hsts.as_ref()?.value,
            clients: Clients::default(),
        }))
    };
    Known { settings: settings(), awaited, hsts, spot }
}

fn files(section: &Section<'_>, log: &mut Findings) -> Option<Files> {
    let mut file = |name| {
        let path = section.file(name, log)?;
        match &path {
            None => section.report_missing(name, log),
            Some(key) if name == "key_file" => exposure::check_secret(key, log),
            Some(_) => {}
        }
        path.map(|path| path.value)
    };
    let (chain, key) = (file("chain_file"), file("key_file"));
    Some(Files { chain: chain?, key: key? })
}

fn load(files: &[Files], sections: &[Section<'_>], log: &mut Findings) -> Option<Arc<Certificates>> {
    match Certificates::load(files) {
        Ok(certificates) => Some(Arc::new(certificates)),
        Err(faults) => {
            for (at, error) in faults {
                let Some(section) = sections.get(at) else { continue };
                let (name, fix) = fix(&error);
                let remark = Remark::new(told(&error)).so("clients could not be shown who we are");
                log.error(&section.spot(name), remark.fix(fix));
            }
            None
        }
    }
}

fn told(error: &CertificateError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Which of the two keys an error is about, and what helps.
fn fix(error: &CertificateError) -> (&'static str, &'static str) {
    let readable =
        "relative paths start in the folder of the configuration; Menshen's own user has to be able to read it";
    match error {
        CertificateError::Unreadable { is_key, .. } => (if *is_key { "key_file" } else { "chain_file" }, readable),
        CertificateError::NoCertificate { .. } => {
            ("chain_file", "from DER: openssl x509 -inform der -in site.cer -out site.pem")
        }
        CertificateError::Malformed { .. } => {
            ("chain_file", "the site's own certificate stands first, then those that vouch for it")
        }
        CertificateError::NoKey { .. } => ("key_file", "decrypted: openssl pkey -in site.key -out plain.key"),
        CertificateError::UnusableKey { .. } => ("key_file", "take a key of RSA with 2048 bits or more, or of P-256"),
        CertificateError::AnothersKey { .. } => {
            ("key_file", "take the key that the certificate was asked for with, or have it issued anew")
        }
    }
}

impl Known {
    /// What it comes to, with these being asked for certificates.
    pub(super) fn with(self, clients: Clients) -> Option<Option<Settings>> {
        Some(self.settings?.map(|settings| Settings { clients, ..settings }))
    }

    /// Whether browsers that ask for a site are shown a certificate with its name.
    pub(super) fn names<'o>(&self, origins: impl Iterator<Item = &'o Origin>, log: &mut Findings) {
        let Some(Some(settings)) = &self.settings else { return };
        let names = settings.certificates.validities().into_iter().flat_map(|of| of.names);
        let names: Vec<String> = names.chain(self.awaited.iter().cloned()).collect();
        for origin in origins.filter(|origin| origin.is_https()) {
            let authority = origin.authority();
            let host =
                authority.rsplit_once(':').filter(|_| !authority.ends_with(']')).map_or(authority, |(host, _)| host);
            let wildcard = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
            if !names.iter().any(|name| name == host || Some(name) == wildcard.as_ref()) {
                let remark = Remark::new(format!("has no certificate for {origin}"));
                let remark = remark.so("browsers warn of it in place of showing the site");
                log.warn(
                    &self.spot,
                    remark.fix("have one issued for that name, unless a proxy in front ends TLS for it"),
                );
            }
        }
    }
}
