//! Certificates of clients that were good once: revoked, expired, or of somebody who is believed no more.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, SignatureScheme};

use crate::support::{Authority, Connection, Proxy, SITE, Setup, Upstream, events, eventually};

const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// A site that requires a certificate, with these lists of what was revoked.
fn proxy(authority: &Authority, lists: &[&str], upstream: &Upstream) -> Proxy {
    authority.issue("site", &[SITE]);
    let lists: Vec<_> = lists.iter().map(|list| authority.chain(list)).collect();
    let ca = authority.ca_file();
    let tls = format!("[tls]\nclient_auth = \"required\"\nclient_ca_file = {ca:?}\nclient_crl_files = {lists:?}\n");
    let setup = Setup::new().origin(&format!("https://{SITE}")).section(&authority.section(&["site"])).section(&tls);
    setup.server("listen_tls = [\"127.0.0.1:0\"]").before(upstream)
}

/// How a client that is served shook hands, or why it is not served.
fn served(proxy: &Proxy, client: &Arc<ClientConfig>) -> Result<HandshakeKind, String> {
    let connection = Connection::secured(proxy.tls_address(), SITE, client);
    let mut connection = connection.map_err(|error| error.to_string())?;
    if !connection.try_send(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n")) {
        return Err("closed".to_owned());
    }
    if let Some(refusal) = connection.refusal() {
        return Err(refusal);
    }
    assert_eq!(connection.answer().status, 200);
    Ok(connection.tls().handshake_kind().unwrap())
}

#[test]
fn a_certificate_that_was_revoked_is_refused_also_of_who_comes_back() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    fs::write(authority.chain("list"), authority.revoked(&[], 2100).pem().unwrap()).unwrap();
    let proxy = proxy(&authority, &["list"], &upstream);
    authority.issue_to("stolen", "stolen", 7, 2100);
    authority.issue_to("other", "other", 8, 2100);
    let clients = |file| [&TLS12, &TLS13].map(|version| authority.client_with(&[version], &authority, file));
    let (stolen, other) = (clients("stolen"), clients("other"));
    for client in stolen.iter().chain(&other) {
        assert_eq!(served(&proxy, client), Ok(HandshakeKind::Full));
        assert_eq!(served(&proxy, client), Ok(HandshakeKind::Resumed));
    }
    // As DER this time.
    fs::write(authority.chain("list"), authority.revoked(&[7], 2100).der()).unwrap();
    events().wait_for(1, &["INFO", "it goes for every handshake now", authority.chain("ca").to_str().unwrap()]);
    for (stolen, other) in stolen.iter().zip(&other) {
        let refused = served(&proxy, stolen).unwrap_err();
        assert!(refused.contains("CertificateRevoked"), "{refused}");
        assert_eq!(served(&proxy, other), Ok(HandshakeKind::Full));
        assert_eq!(served(&proxy, other), Ok(HandshakeKind::Resumed));
    }
    for fresh in clients("stolen") {
        assert!(served(&proxy, &fresh).is_err());
    }
}

#[test]
fn a_certificate_that_has_expired_since_is_refused_also_of_who_comes_back() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = proxy(&authority, &[], &upstream);
    authority.issue_to("short", "short", 7, 2030);
    let clients = [&TLS12, &TLS13].map(|version| authority.client_with(&[version], &authority, "short"));
    for client in &clients {
        assert_eq!(served(&proxy, client), Ok(HandshakeKind::Full));
        assert_eq!(served(&proxy, client), Ok(HandshakeKind::Resumed));
    }
    proxy.advance(4 * YEAR);
    for client in &clients {
        assert!(served(&proxy, client).is_err());
    }
}

#[test]
fn a_ticket_of_who_was_not_asked_opens_nothing_once_everybody_is() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = proxy(&authority, &[], &upstream);
    authority.issue_to("robot", "robot", 7, 2100);
    let with = authority.client_with(&[&TLS13], &authority, "robot");
    proxy.rewrite(|text| text.replace("client_auth = \"required\"", "client_auth = \"off\""));
    proxy.reload().unwrap();
    let without = [&TLS12, &TLS13].map(|version| authority.client(&[version]));
    let mut open = Connection::secured(proxy.tls_address(), SITE, &without[1]).unwrap();
    assert_eq!(open.get("/", &[]).answer().status, 200);
    for client in without.iter().chain([&with]) {
        served(&proxy, client).unwrap();
        assert_eq!(served(&proxy, client), Ok(HandshakeKind::Resumed));
    }
    proxy.rewrite(|text| text.replace("client_auth = \"off\"", "client_auth = \"required\""));
    proxy.reload().unwrap();
    for client in &without {
        assert!(served(&proxy, client).is_err());
    }
    assert_eq!(served(&proxy, &with), Ok(HandshakeKind::Full));
    assert_eq!(open.get("/", &[]).answer().status, 421, "nor does a connection that was there");
}

#[test]
fn an_authority_that_is_named_no_more_lets_nobody_in_and_one_that_is_no_file_changes_nothing() {
    let (authority, next, upstream) = (Authority::new(), Authority::new(), Upstream::hello());
    let proxy = proxy(&authority, &[], &upstream);
    let ca = authority.ca_file();
    authority.issue_to("old", "old", 7, 2100);
    next.issue_to("new", "new", 7, 2100);
    let (old, new) =
        (authority.client_with(&[&TLS13], &authority, "old"), authority.client_with(&[&TLS13], &next, "new"));
    assert_eq!(served(&proxy, &old), Ok(HandshakeKind::Full));
    let mut open = Connection::secured(proxy.tls_address(), SITE, &old).unwrap();
    fs::write(&ca, "nobody").unwrap();
    events().wait_for(1, &["ERROR", "what was in the file goes on", ca.to_str().unwrap()]);
    assert!(proxy.reload().unwrap_err().to_string().contains("tls.client_ca_file"));
    assert!(served(&proxy, &old).is_ok());
    assert!(served(&proxy, &new).is_err());
    fs::copy(next.ca_file(), &ca).unwrap();
    proxy.reload().unwrap();
    assert!(served(&proxy, &old).is_err());
    assert_eq!(served(&proxy, &new), Ok(HandshakeKind::Full));
    assert_eq!(open.get("/", &[]).answer().status, 200, "who was connected before stays so");
}

/// Regression: the old list went on, with nobody on it who had been revoked meanwhile.
#[test]
fn a_list_that_has_run_out_lets_nobody_in_whom_it_is_about_and_stops_nothing_else() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let list = authority.chain("list");
    fs::write(&list, authority.revoked(&[], 2100).pem().unwrap()).unwrap();
    let proxy = proxy(&authority, &["list"], &upstream);
    authority.issue_to("robot", "robot", 7, 3000);
    let client = authority.client_with(&[&TLS13], &authority, "robot");
    assert_eq!(served(&proxy, &client), Ok(HandshakeKind::Full));
    fs::write(&list, authority.revoked(&[8], 2021).pem().unwrap()).unwrap();
    events().wait_for(1, &["ERROR", "a revocation list has run out", list.to_str().unwrap()]);
    assert!(served(&proxy, &client).is_err());
    let told = proxy.reload().unwrap().warnings.join("\n");
    assert!(told.contains("tls.client_crl_files[0]") && told.contains("was good until 2021-01-01"), "{told}");
    assert!(served(&proxy, &client).is_err());

    fs::write(&list, authority.revoked(&[], 2100).pem().unwrap()).unwrap();
    let mut kept = None;
    eventually(|| {
        kept = served(&proxy, &client).ok();
        kept.is_some()
    });
    proxy.advance(80 * YEAR);
    events().wait_for(2, &["ERROR", "a revocation list has run out", list.to_str().unwrap()]);
    assert!(served(&proxy, &client).is_err(), "whoever comes back");
    assert!(served(&proxy, &authority.client_with(&[&TLS13], &authority, "robot")).is_err());
}

/// Regression: the first in the configuration counted, and what only the second had revoked came in.
#[test]
fn of_two_lists_of_one_authority_the_newer_counts() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    fs::write(authority.chain("old"), authority.revoked_since(&[], 2020, 2100).pem().unwrap()).unwrap();
    fs::write(authority.chain("new"), authority.revoked_since(&[7], 2021, 2100).pem().unwrap()).unwrap();
    authority.issue_to("stolen", "stolen", 7, 2100);
    authority.issue_to("other", "other", 8, 2100);
    for lists in [["old", "new"], ["new", "old"]] {
        let proxy = proxy(&authority, &lists, &upstream);
        let refused = served(&proxy, &authority.client_with(&[&TLS13], &authority, "stolen")).unwrap_err();
        assert!(refused.contains("CertificateRevoked"), "{lists:?}: {refused}");
        assert!(served(&proxy, &authority.client_with(&[&TLS13], &authority, "other")).is_ok(), "{lists:?}");
    }
}

/// Regression: one file that could not be used held all the others back.
#[test]
fn what_one_authority_has_revoked_does_not_wait_for_anothers_list() {
    let (authority, partner, upstream) = (Authority::new(), Authority::new(), Upstream::hello());
    let (own, theirs) = (authority.chain("own"), authority.chain("theirs"));
    fs::write(&own, authority.revoked(&[], 2100).pem().unwrap()).unwrap();
    fs::write(&theirs, partner.revoked(&[], 2100).pem().unwrap()).unwrap();
    let both = [authority.ca_file(), partner.ca_file()].map(|file| fs::read_to_string(file).unwrap()).concat();
    fs::write(authority.chain("both"), both).unwrap();
    let proxy_of_both = proxy(&authority, &["own", "theirs"], &upstream);
    proxy_of_both.rewrite(|text| text.replace("/ca.pem", "/both.pem"));
    proxy_of_both.reload().unwrap();
    authority.issue_to("stolen", "stolen", 7, 2100);
    partner.issue_to("theirs", "theirs", 7, 2100);
    let stolen = authority.client_with(&[&TLS13], &authority, "stolen");
    let guest = authority.client_with(&[&TLS13], &partner, "theirs");
    assert!(served(&proxy_of_both, &stolen).is_ok() && served(&proxy_of_both, &guest).is_ok());
    fs::write(&theirs, "<html>not found</html>").unwrap();
    fs::write(&own, authority.revoked(&[7], 2100).pem().unwrap()).unwrap();
    events().wait_for(1, &["ERROR", "what was in the file goes on", theirs.to_str().unwrap()]);
    let refused = served(&proxy_of_both, &stolen).unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
    assert!(served(&proxy_of_both, &guest).is_ok(), "by the list that was there");
}

/// Regression: whoever's certificate stood there could vouch for anybody.
#[test]
fn a_certificate_that_is_no_authoritys_vouches_for_nobody() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = proxy(&authority, &[], &upstream);
    authority.issue_to("partner", "partner-3517", 7, 2100);
    fs::copy(authority.chain("partner"), authority.chain("ca")).unwrap();
    let told = proxy.reload().unwrap_err().to_string();
    assert!(told.contains("no authority's: CN=partner-3517") && told.contains("tls.client_ca_file"), "{told}");
}

/// What a client shows, which may be exchanged while it runs.
#[derive(Debug)]
struct Exchanged(Mutex<Arc<CertifiedKey>>);

impl ResolvesClientCert for Exchanged {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().unwrap()))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Regression: with each refusal came another ticket, by which it was refused again, for as long as it ran.
#[test]
fn who_is_refused_by_a_ticket_may_show_another_certificate_the_next_time() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    for version in [&TLS12, &TLS13] {
        let proxy = proxy(&authority, &[], &upstream);
        authority.issue_to("short", "short", 7, 2030);
        authority.issue_to("long", "long", 8, 2100);
        let key = |file: &str| {
            let chain = CertificateDer::pem_file_iter(authority.chain(file)).unwrap().map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_file(authority.key(file)).unwrap();
            Arc::new(CertifiedKey::new(chain, rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap()))
        };
        let shown = Arc::new(Exchanged(Mutex::new(key("short"))));
        let mut config = (*authority.client_with(&[version], &authority, "short")).clone();
        config.client_auth_cert_resolver = Arc::clone(&shown) as _;
        let client = Arc::new(config);
        assert_eq!(served(&proxy, &client), Ok(HandshakeKind::Full));
        assert_eq!(served(&proxy, &client), Ok(HandshakeKind::Resumed));
        *shown.0.lock().unwrap() = key("long");
        proxy.advance(4 * YEAR);
        assert!(served(&proxy, &client).is_err(), "it has shown the old one");
        assert_eq!(served(&proxy, &client), Ok(HandshakeKind::Full));
    }
}
