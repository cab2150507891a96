//! `[tls.acme]`: which certificates are asked for, where, and how the names are shown to be ours.

use std::path::PathBuf;

use rustls::pki_types::DnsName;
use url::Url;

use super::tls;
use crate::acme::{Challenge, Client, ClientError, Settings};
use crate::config::error::{Findings, Remark};
use crate::config::file;
use crate::config::parse::web;
use crate::config::read;
use crate::config::secrets;
use crate::config::section::{Given, Many, Section};

/// What is known of it.
pub(super) struct Known {
    /// The names.
    pub(super) names: Many<String>,
    /// What it comes to; `Some(None)`: no certificate is asked for.
    pub(super) settings: Option<Option<Settings>>,
}

/// Reads the section.
pub(super) fn read(section: &Section<'_>, listens: tls::Listens, log: &mut Findings) -> Known {
    let names = section.each("names", log, name);
    let directory = section.value("directory", log, read::text(directory));
    let contact = section.each("contact", log, contact);
    let accept_terms = section.value("accept_terms", log, read::flag);
    let challenge = section.value("challenge", log, read::choice(&[Challenge::TlsAlpn01, Challenge::Http01]));
    let ca = section.file("ca_file", log);
    let settings = || {
        let (directory, accept_terms, challenge) = (directory?, accept_terms?, challenge?);
        let (ca, is_whole) = (ca?, names.whole && contact.whole);
        let listed: Vec<_> = names.clone().values().collect();
        if listed.is_empty() {
            return is_whole.then_some(None);
        }
        if !accept_terms.value {
            let remark = Remark::new("is false").so("the authority issues nothing to who has not accepted its terms");
            log.error(&accept_terms.spot, remark.fix("read them, then accept_terms = true"));
            return None;
        }
        if challenge.value == Challenge::Http01 && !listens.plain {
            let remark = Remark::new("is \"http-01\", while server.listen has no address");
            let remark = remark.so("the authority asks at port 80, and could not see that a name is ours");
            log.error(&challenge.spot, remark.fix("server.listen = [\"0.0.0.0:80\"], or challenge = \"tls-alpn-01\""));
            return None;
        }
        if !listens.tls {
            let remark = Remark::new("names a certificate, while server.listen_tls has no address");
            log.warn(
                &section.spot("names"),
                remark.so("none is asked for").fix("server.listen_tls = [\"0.0.0.0:443\"]"),
            );
            return Some(None);
        }
        // Where nothing is asked for, nobody need be trusted: not every machine trusts anybody.
        let client = client(ca.as_ref(), section, log)?;
        is_whole.then(|| {
            Some(Settings {
                directory: directory.value,
                names: listed,
                contact: contact.values().collect(),
                challenge: challenge.value,
                client,
            })
        })
    };
    let settings = settings();
    Known { names, settings }
}

fn name(text: &str) -> Result<String, Remark> {
    let expected =
        || Remark::expected("a site's host without port: \"shop.example\"").so("no certificate is issued for it");
    if text.starts_with("*.") {
        return Err(expected().fix("a wildcard needs the challenge dns-01, which is not spoken: name each host"));
    }
    let small = text.to_ascii_lowercase();
    let is_name = DnsName::try_from(small.as_str()).is_ok() && small.contains('.') && !small.ends_with('.');
    if is_name && text.parse::<std::net::IpAddr>().is_err() {
        return Ok(small);
    }
    Err(expected().fix("write a name that everybody on the internet can look up, without scheme and port"))
}

fn directory(text: &str) -> Result<Url, Remark> {
    if text.starts_with("https://") {
        return web::address(text);
    }
    Err(Remark::expected("an address that begins with https://")
        .so("whoever stands in between could issue what it likes")
        .fix("directory = \"https://acme-v02.api.letsencrypt.org/directory\""))
}

fn contact(text: &str) -> Result<String, Remark> {
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic() && !b"?,;<>\"".contains(&byte));
    match address.split_once('@') {
        Some((who, at)) if is_plain && !who.is_empty() && at.contains('.') => Ok(format!("mailto:{address}")),
        Some(_) | None => Err(Remark::expected("a mail address: \"ops@shop.example\"")
            .so("the authority would refuse the account")
            .fix("one address, each in quotes of its own")),
    }
}

fn client(ca: Option<&Given<PathBuf>>, section: &Section<'_>, log: &mut Findings) -> Option<Client> {
    let pem = match ca {
        Some(ca) => match file::read(&ca.value) {
            Ok(pem) => Some(pem),
            Err(error) => {
                log.error(&ca.spot, secrets::unreadable(&ca.value, &error));
                return None;
            }
        },
        None => None,
    };
    match Client::new(pem.as_ref().map(|pem| pem.as_slice())) {
        Ok(client) => Some(client),
        Err(error) => {
            let fix = match error {
                ClientError::Ca => "from DER: openssl x509 -inform der -in ca.cer -out ca.pem",
                ClientError::Client { .. } => "install ca-certificates, or name who vouches for the authority's server",
            };
            let remark = Remark::new(error.to_string()).so("the authority could not be asked").fix(fix);
            log.error(&section.spot("ca_file"), remark);
            None
        }
    }
}
