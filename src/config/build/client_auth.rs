//! `[tls] client_*` and `sites[].client_auth`: who is asked for a certificate, who vouches for it, and what of it is told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::{identities, sites};
use crate::clock::Clock;
use crate::config::error::{Findings, Remark, Spot};
use crate::config::parse::name;
use crate::config::read;
use crate::config::section::{Given, Many, Section, both};
use crate::config::suggest;
use crate::config::tree::Node;
use crate::http::client_certificate::{CERTIFICATE_FIELDS, CertificateField, ClientAuth};
use crate::tls::{Authorities, AuthorityError, AuthorityFiles, Clients};

/// How a policy is written, in the order of its words.
const POLICIES: [ClientAuth; 3] = [ClientAuth::Off, ClientAuth::Optional, ClientAuth::Required];

/// What is known of it.
pub(super) struct Known {
    /// How those are asked who come to a site that does not say.
    asked: Option<Given<ClientAuth>>,
    ca: Option<Option<Given<PathBuf>>>,
    ca_spot: Spot,
    crls: Many<PathBuf>,
    pub(super) headers: Many<(HeaderName, CertificateField)>,
}

/// Reads what stands in `[tls]`.
pub(super) fn read(tls: &Section<'_>, log: &mut Findings) -> Known {
    Known {
        asked: tls.value("client_auth", log, read::choice(&POLICIES)),
        ca: tls.file("client_ca_file", log),
        ca_spot: tls.spot("client_ca_file"),
        crls: tls.files("client_crl_files", log),
        headers: tls.entries("client_headers", log, header),
    }
}

/// A site's own policy; `Some(None)`: that of `[tls]`.
pub(super) fn of_site(site: &Section<'_>, log: &mut Findings) -> Option<Option<Given<ClientAuth>>> {
    site.optional("client_auth", log, read::choice(&POLICIES))
}

fn header(name: &str, node: &Node) -> Result<(HeaderName, CertificateField), Vec<Remark>> {
    let field = read::plain_text(node).and_then(field).map_err(|remark| vec![remark]);
    both(name::identity_header(name).and_then(not_authorization).map_err(|remark| vec![remark]), field)
}

fn not_authorization(name: HeaderName) -> Result<HeaderName, Remark> {
    if name != AUTHORIZATION {
        return Ok(name);
    }
    let remark = Remark::new("no client could send this header any more").so("nobody could log in by a token");
    Err(remark.fix("take a name of its own: \"X-Client-Cert-Subject\""))
}

fn field(text: &str) -> Result<CertificateField, Remark> {
    let known = CERTIFICATE_FIELDS.iter().find(|(name, _)| *name == text);
    known.map(|(_, field)| *field).ok_or_else(|| {
        let names = CERTIFICATE_FIELDS.map(|(name, _)| name);
        let remark = Remark::new(format!("a certificate has no {text:?}")).so("the application would be told nothing");
        match suggest::nearest(text, names.iter().copied()) {
            Some(name) => remark.fix(format!("did you mean {name:?}?")),
            None => remark.fix(format!("there are {}", names.join(", "))),
        }
    })
}

impl Known {
    /// How those are asked who come to a site that does not say.
    pub(super) fn usual(&self) -> ClientAuth {
        self.asked.as_ref().map_or(ClientAuth::Off, |asked| asked.value)
    }

    /// Who is asked, and who vouches; reads the files.
    pub(super) fn clients(
        &self,
        sites: Option<&[sites::Known]>,
        is_listening: bool,
        log: &mut Findings,
    ) -> Option<Clients> {
        let asked = self.asked.as_ref()?;
        let by_name = self.by_name(sites?, is_listening, log);
        if asked.value != ClientAuth::Off && !is_listening {
            unheard(&asked.spot, log);
        }
        let is_anybody_asked =
            asked.value != ClientAuth::Off || by_name.values().any(|asked| *asked != ClientAuth::Off);
        if !is_anybody_asked {
            for spot in self.ca.iter().flatten().map(|ca| &ca.spot).chain(self.crls.items.first().map(|crl| &crl.spot))
            {
                let remark = Remark::new("nobody is asked for a certificate").so("this file is never looked at");
                log.warn(
                    spot,
                    remark.fix("client_auth = \"optional\" or \"required\", here or in a site; or remove it"),
                );
            }
            return Some(Clients::default());
        }
        if !is_listening {
            return None;
        }
        let authorities = self.authorities(log)?;
        Some(Clients { others: asked.value, by_name, authorities: Some(authorities) })
    }

    fn authorities(&self, log: &mut Findings) -> Option<Arc<Authorities>> {
        let Some(ca) = self.ca.as_ref()? else {
            let remark = Remark::new("is missing, and clients are asked for certificates");
            let remark = remark.so("nobody would vouch for any of them");
            log.missing(&self.ca_spot, remark.fix("client_ca_file = \"certs/clients.pem\""));
            return None;
        };
        if !self.crls.whole {
            return None;
        }
        let files = AuthorityFiles { ca: ca.value.clone(), crls: self.crls.clone().values().collect() };
        let authorities = match Authorities::load(files) {
            Ok(authorities) => Arc::new(authorities),
            Err(error) => {
                self.report(&error, ca, log);
                return None;
            }
        };
        let of = |path: &PathBuf| {
            let list = self.crls.items.iter().find(|list| list.value == *path);
            list.map_or(&ca.spot, |list| &list.spot)
        };
        for (path, since) in authorities.outdated(Clock::System.now()) {
            let remark = Remark::new(format!("{} holds a revocation list that was good until {since}", path.display()));
            let remark = remark.so("nobody is let in whose certificate it is about");
            log.warn(
                of(&path),
                remark.fix("fetch the authority's present list, and have it fetched before each one's end"),
            );
        }
        for name in authorities.between() {
            let remark = Remark::new(format!("holds {name}, for which another authority in it vouches"));
            let remark =
                remark.so("whether that one has revoked it is not looked at: it is believed as it stands here");
            log.warn(&ca.spot, remark.fix("remove it: clients send those in between themselves"));
        }
        for name in authorities.without_list() {
            let remark = Remark::new(format!("holds {name}, and no list of client_crl_files is this authority's"));
            let remark = remark.so("whether a certificate of it was revoked is not known, and none is let in");
            log.warn(&ca.spot, remark.fix("add its list, an empty one if it has revoked nothing"));
        }
        Some(authorities)
    }

    fn report(&self, error: &AuthorityError, ca: &Given<PathBuf>, log: &mut Findings) {
        let told = match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        let of = |path: &PathBuf| {
            let list = self.crls.items.iter().find(|list| list.value == *path);
            list.map_or(&ca.spot, |list| &list.spot)
        };
        let readable =
            "relative paths start in the folder of the configuration; Menshen's own user has to be able to read it";
        let (spot, fix) = match error {
            AuthorityError::Unreadable { path, .. } => (of(path), readable),
            AuthorityError::NoAuthority { .. } => (
                &ca.spot,
                "from DER: openssl x509 -inform der -in ca.cer -out ca.pem; it holds certificates and no key",
            ),
            AuthorityError::NoList { path } => {
                (of(path), "have the authority issue it anew: openssl ca -gencrl -out clients.crl")
            }
            AuthorityError::NotAnAuthority { .. } => {
                (&ca.spot, "put there who issued it: whoever has its key could vouch for anybody")
            }
            AuthorityError::Unusable(_) => (
                self.crls.items.first().map_or(&ca.spot, |list| &list.spot),
                "a whole list, neither a delta nor an indirect one",
            ),
            AuthorityError::NoTickets(_) => (&ca.spot, "see why the system gives no random bytes"),
        };
        log.error(spot, Remark::new(told).so("whether a client may come in could not be told").fix(fix));
    }

    /// How who names a site in a handshake is asked. A handshake names a host without its port, and no address.
    fn by_name(&self, sites: &[sites::Known], is_listening: bool, log: &mut Findings) -> HashMap<String, ClientAuth> {
        let mut by_name = HashMap::new();
        for known in sites {
            let Some(site) = &known.site else { continue };
            let own = known.client_auth.as_ref();
            let spot = own.map_or(&known.origin, |own| &own.spot);
            if !site.origin.is_https() {
                self.in_plain_text(own, &known.origin, log);
                continue;
            }
            if own.is_some_and(|own| own.value != ClientAuth::Off) && !is_listening {
                unheard(spot, log);
            }
            let names = std::iter::once(site.origin.authority()).chain(site.aliases.iter().map(String::as_str));
            for name in names.map(sites::host_of) {
                let is_address = name.starts_with('[') || name.parse::<IpAddr>().is_ok();
                if is_address && site.client_auth != self.usual() {
                    let remark = Remark::new(format!("{name} is an address, and clients name none in their handshake"));
                    let remark = remark.so("they are asked as [tls] says, and would be refused here");
                    log.error(spot, remark.fix("give the site a name, or have tls.client_auth say the same"));
                } else if !is_address
                    && by_name.insert(name.to_owned(), site.client_auth).is_some_and(|other| other != site.client_auth)
                {
                    let remark = Remark::new(format!("another site of the host {name} asks in another way"));
                    let remark = remark.so("a handshake names no port: only one of the two could ever be reached");
                    log.error(spot, remark.fix("the same client_auth in both"));
                }
            }
        }
        by_name
    }

    fn in_plain_text(&self, own: Option<&Given<ClientAuth>>, origin: &Spot, log: &mut Findings) {
        match own {
            Some(own) if own.value != ClientAuth::Off => {
                let remark = Remark::new("the site is reached by http").so("nobody shows a certificate in plain text");
                log.error(&own.spot, remark.fix("origin = \"https://…\", or leave it out"));
            }
            None if self.usual() == ClientAuth::Required => {
                let remark = Remark::new("the site is reached by http, and tls.client_auth requires a certificate");
                let remark = remark.so("nobody shows one in plain text, and nobody would be served");
                log.error(
                    origin,
                    remark.fix("https; or client_auth = \"off\" in this site, to have it open to everybody"),
                );
            }
            Some(_) | None => {}
        }
    }

    /// That no header is both the identity's and the certificate's.
    pub(super) fn apart(&self, identities: &[identities::Known], log: &mut Findings) {
        let theirs = |name: &HeaderName| {
            let mut settings = identities.iter().filter_map(|identity| identity.settings.as_ref());
            settings.any(|of| of.header.as_ref() == Some(name) || of.headers.iter().any(|(further, _)| further == name))
        };
        for header in self.headers.items.iter().filter(|header| theirs(&header.value.0)) {
            let remark = Remark::new("is a header of an [identity] too");
            let remark = remark.so("the application would take a certificate for a login, or the other way round");
            log.error(&header.spot, remark.fix("give one of them another name"));
        }
    }
}

fn unheard(spot: &Spot, log: &mut Findings) {
    let remark = Remark::new("asks clients for certificates, while server.listen_tls has no address");
    let remark = remark.so("whoever ends TLS before us keeps what they show, and nobody could come in");
    log.error(spot, remark.fix("server.listen_tls = [\"0.0.0.0:443\"], with [[tls.certificates]]"));
}
