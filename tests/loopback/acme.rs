//! Certificates that are asked for by themselves, before an authority that looks for itself whose a name is.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use menshen::clock::Clock;
use rustls::ClientConfig;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;

use crate::support::{
    AcmeServer, Authority, Connection, Proxy, SITE, Setup, Upstream, Whims, events, eventually, nobody_listens,
};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

/// An authority whose certificates last for three months by the proxy's clock, and a proxy that has one issued.
fn begun(lines: &str, whims: Whims) -> (AcmeServer, Upstream, Proxy) {
    let (ca, upstream) = (AcmeServer::new(90 * DAY), Upstream::hello());
    ca.be(whims);
    let proxy = setup(&ca, &[SITE], lines).before(&upstream);
    ca.goes_by(&proxy.clock);
    (ca, upstream, proxy)
}

fn setup(ca: &AcmeServer, names: &[&str], lines: &str) -> Setup {
    let setup = Setup::new().origin(&format!("https://{SITE}")).section(&ca.section(names, lines)).monitored();
    setup.server("listen_tls = [\"127.0.0.1:0\"]")
}

fn looks_at(ca: &AcmeServer, proxy: &Proxy) {
    ca.look_at(proxy.address, proxy.tls_address());
}

/// Certificates are good by the proxy's clock.
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.now().as_secs())))
    }
}

fn by_its_clock(config: &ClientConfig, proxy: &Proxy) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.time_provider = Arc::new(Time(proxy.clock.clone()));
    Arc::new(config)
}

/// A connection to whoever shows what this authority has issued for a name.
fn trusted(authority: &Authority, proxy: &Proxy, name: &str) -> Option<Connection> {
    Connection::secured(proxy.tls_address(), name, &by_its_clock(&authority.client(&[&TLS13]), proxy)).ok()
}

fn until_shown(ca: &AcmeServer, proxy: &Proxy, name: &str) -> Connection {
    let mut found = None;
    eventually(|| {
        found = trusted(ca.authority(), proxy, name);
        found.is_some()
    });
    found.unwrap()
}

fn is_answered(connection: &mut Connection) -> bool {
    connection.send(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n")).answer().text() == "hello"
}

#[test]
fn a_certificate_is_issued_to_who_starts_without_and_is_there_after_a_restart() {
    let whims = Whims { offers: Some("tls-alpn-01"), ..Whims::default() };
    let (ca, _upstream, mut proxy) = begun("contact = [\"ops@shop.example\"]", whims);
    ca.until_ordered(1);
    assert!(trusted(ca.authority(), &proxy, SITE).is_none(), "there is none to be shown");
    looks_at(&ca, &proxy);
    ca.until_fetched(1);
    assert!(is_answered(&mut until_shown(&ca, &proxy, SITE)));
    proxy.until_metric("menshen_certificate_orders_total{outcome=\"issued\"} 1");
    let end = proxy.clock.now().plus(90 * DAY).as_secs();
    proxy.until_metric(&format!("menshen_certificate_not_after_seconds{{chain_file=\"acme:{SITE}\"}} {end}"));
    proxy.reload().unwrap();
    assert!(is_answered(&mut trusted(ca.authority(), &proxy, SITE).unwrap()));
    proxy.restart();
    assert!(is_answered(&mut trusted(ca.authority(), &proxy, SITE).unwrap()), "from the first connection on");
    assert_eq!(ca.orders(), [SITE]);
    assert_eq!(ca.accounts(), [serde_json::json!(["mailto:ops@shop.example"])]);
}

#[test]
fn an_authority_may_look_by_http_and_finds_nothing_there_once_it_has() {
    let whims = Whims { offers: Some("http-01"), ..Whims::default() };
    let (ca, upstream, proxy) = begun("challenge = \"http-01\"", whims);
    ca.until_ordered(1);
    let at = |token: &str| {
        let target = format!("/.well-known/acme-challenge/{token}");
        proxy.connect().get(&target, &["Connection: close"]).answer().status
    };
    eventually(|| at("token-0") == 200);
    assert_eq!(at("token-1"), 308, "no other challenge is open");
    let post =
        format!("POST /.well-known/acme-challenge/token-0 HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(proxy.connect().send(post).answer().status, 308);
    looks_at(&ca, &proxy);
    assert!(is_answered(&mut until_shown(&ca, &proxy, SITE)));
    upstream.next();
    assert_eq!(at("token-0"), 308, "the answer is taken back");
    upstream.saw_nothing();
}

#[test]
fn a_certificate_is_renewed_while_a_third_of_its_life_is_left_and_no_connection_notices() {
    let (ca, _upstream, proxy) = begun("", Whims::default());
    looks_at(&ca, &proxy);
    let mut visitor = until_shown(&ca, &proxy, SITE);
    let first = visitor.tls().peer_certificates().unwrap()[0].clone();
    // Not yet, by whatever lot.
    proxy.advance(54 * DAY);
    proxy.reload().unwrap();
    assert!(is_answered(&mut visitor));
    proxy.advance(7 * DAY);
    ca.until_fetched(2);
    eventually(|| {
        let shown = trusted(ca.authority(), &proxy, SITE).unwrap();
        shown.tls().peer_certificates().unwrap()[0] != first
    });
    assert!(is_answered(&mut visitor));
    assert_eq!(ca.orders(), [SITE; 2]);
    assert_eq!(ca.accounts().len(), 1);
}

#[test]
fn an_authority_that_says_we_come_too_often_is_left_alone_for_an_hour() {
    let whims = Whims { refuses: Some(("rateLimited", "too many certificates for lantern-4711")), ..Whims::default() };
    let (ca, _upstream, proxy) = begun("", whims);
    looks_at(&ca, &proxy);
    events().wait_for(1, &["ERROR", "the authority refuses: too many certificates for lantern-4711 (rateLimited)"]);
    proxy.until_metric("menshen_certificate_orders_total{outcome=\"failed\"} 1");
    ca.be(Whims::default());
    proxy.advance(HOUR - Duration::from_secs(1));
    proxy.reload().unwrap();
    assert!(trusted(ca.authority(), &proxy, SITE).is_none());
    proxy.advance(HOUR / 2);
    assert!(is_answered(&mut until_shown(&ca, &proxy, SITE)));
    assert_eq!(ca.orders(), [SITE; 2], "asked once more and no oftener");
}

#[test]
fn an_authority_that_finds_somebody_else_says_so_in_the_log_and_is_asked_again_later() {
    let (ca, _upstream, proxy) = begun("", Whims::default());
    let strangers = Upstream::scripted(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nstrangers-8152".to_vec());
    ca.look_at(strangers.address(), nobody_listens());
    events().wait_for(1, &["ERROR", "could not see that the name is ours", "strangers-8152", SITE, "kept out"]);
    looks_at(&ca, &proxy);
    proxy.advance(Duration::from_secs(90));
    assert!(is_answered(&mut until_shown(&ca, &proxy, SITE)));
    assert_eq!(ca.accounts().len(), 1, "the account stays");
}

#[test]
fn a_certificate_that_cannot_be_renewed_is_shown_on_and_the_operator_told_before_it_ends() {
    let (ca, _upstream, proxy) = begun("", Whims::default());
    looks_at(&ca, &proxy);
    until_shown(&ca, &proxy, SITE);
    ca.be(Whims { refuses: Some(("serverInternal", "closed for lunch-2931")), ..Whims::default() });
    proxy.advance(61 * DAY);
    events().wait_for(1, &["WARN", "lunch-2931", "the old one is shown"]);
    proxy.advance(24 * DAY);
    events().wait_for(1, &["ERROR", "lunch-2931", "kept out, or soon will be"]);
    assert!(is_answered(&mut trusted(ca.authority(), &proxy, SITE).unwrap()));
}

#[test]
fn what_is_issued_for_somebody_else_is_not_shown() {
    let whims = Whims { misnames: Some("evil-6140.example"), ..Whims::default() };
    let (ca, _upstream, proxy) = begun("", whims);
    looks_at(&ca, &proxy);
    ca.until_fetched(1);
    proxy.until_metric("menshen_certificate_orders_total{outcome=\"failed\"} 1");
    assert!(trusted(ca.authority(), &proxy, SITE).is_none());
    assert!(trusted(ca.authority(), &proxy, "evil-6140.example").is_none());
}

#[test]
fn an_authority_that_looks_in_other_ways_is_told_apart_from_one_that_fails() {
    let whims = Whims { offers: Some("dns-01"), ..Whims::default() };
    let (_ca, _upstream, proxy) = begun("", whims);
    events().wait_for(1, &["ERROR", "does not offer the challenge that tls.acme.challenge names"]);
    proxy.until_metric("menshen_certificate_orders_total{outcome=\"failed\"} 1");
}

#[test]
fn a_nonce_that_has_run_out_is_no_failure() {
    let whims = Whims { bad_nonces: 2, ..Whims::default() };
    let (ca, _upstream, proxy) = begun("", whims);
    looks_at(&ca, &proxy);
    assert!(is_answered(&mut until_shown(&ca, &proxy, SITE)));
    assert!(proxy.metrics().contains("menshen_certificate_orders_total{outcome=\"failed\"} 0"));
}

#[test]
fn each_name_has_a_certificate_of_its_own_beside_those_in_files() {
    let (ca, files, upstream) = (AcmeServer::new(90 * DAY), Authority::new(), Upstream::hello());
    files.issue("site", &["files.example"]);
    let setup = setup(&ca, &[SITE, "second.example"], "").section(&files.section(&["site"]));
    let proxy = setup.section("[[sites]]\norigin = \"https://second.example\"").before(&upstream);
    ca.goes_by(&proxy.clock);
    looks_at(&ca, &proxy);
    for name in [SITE, "second.example"] {
        until_shown(&ca, &proxy, name);
    }
    assert_eq!(ca.orders(), [SITE, "second.example"]);
    assert!(trusted(&files, &proxy, "files.example").is_some());
    assert!(trusted(&files, &proxy, SITE).is_none());
}

#[test]
fn an_authority_is_asked_for_no_certificate_where_visitors_are() {
    let clients = Authority::new();
    let (ca, upstream) = (AcmeServer::new(90 * DAY), Upstream::hello());
    let required = format!("[tls]\nclient_auth = \"required\"\nclient_ca_file = {:?}", clients.ca_file());
    let proxy = setup(&ca, &[SITE], "").section(&required).before(&upstream);
    ca.goes_by(&proxy.clock);
    looks_at(&ca, &proxy);
    ca.until_fetched(1);
    clients.issue_to("somebody", "somebody", 1, 2100);
    let config = by_its_clock(&ca.authority().client_with(&[&TLS13], &clients, "somebody"), &proxy);
    eventually(|| Connection::secured(proxy.tls_address(), SITE, &config).is_ok());
    assert!(is_answered(&mut Connection::secured(proxy.tls_address(), SITE, &config).unwrap()));
}

#[test]
fn without_an_open_challenge_nothing_is_shown_to_who_comes_for_one() {
    let (ca, _upstream, proxy) = begun("", Whims::default());
    looks_at(&ca, &proxy);
    until_shown(&ca, &proxy, SITE);
    let mut config = (*by_its_clock(&ca.authority().client(&[&TLS13]), &proxy)).clone();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    assert!(Connection::secured(proxy.tls_address(), SITE, &config.clone().into()).is_err());
    config.alpn_protocols.push(b"http/1.1".to_vec());
    let mut other = Connection::secured(proxy.tls_address(), SITE, &config.into()).unwrap();
    assert!(is_answered(&mut other), "who knows another protocol too is a visitor");
}

#[test]
fn the_store_holds_nothing_that_a_thief_could_use() {
    let (ca, _upstream, mut proxy) = begun("", Whims::default());
    looks_at(&ca, &proxy);
    until_shown(&ca, &proxy, SITE);
    proxy.stop();
    let mut files = vec![proxy.store_path().join("sled")];
    let mut seen = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let holds = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!holds("PRIVATE") && !holds("key_pkcs8"), "{}", path.display());
        seen += usize::from(holds("acme certificate"));
    }
    assert!(seen > 0, "the certificate is there, sealed");
}

#[test]
fn an_authority_that_does_not_answer_holds_up_nothing() {
    let upstream = Upstream::hello();
    let files = Authority::new();
    files.issue("site", &[SITE]);
    let nowhere = nobody_listens();
    let acme = format!(
        "[tls.acme]\nnames = [\"other.example\"]\naccept_terms = true\ndirectory = \"https://{nowhere}/directory\"\n\
         ca_file = {:?}",
        files.ca_file()
    );
    let setup = Setup::new().origin(&format!("https://{SITE}")).section(&files.section(&["site"])).section(&acme);
    let mut proxy = setup.server("listen_tls = [\"127.0.0.1:0\"]").monitored().before(&upstream);
    assert!(is_answered(&mut trusted(&files, &proxy, SITE).unwrap()));
    events().wait_for(1, &["ERROR", "the authority does not answer as it should", &nowhere.to_string()]);
    proxy.stop();
}

/// Regression: whoever was restarted again and again asked as often, until the authority locked the name out.
#[test]
fn a_proxy_that_starts_again_and_again_does_not_ask_as_often() {
    let whims = Whims { refuses: Some(("unauthorized", "not today")), ..Whims::default() };
    let (ca, _upstream, mut proxy) = begun("", whims);
    looks_at(&ca, &proxy);
    // Four failures: the next try would be an hour after the last.
    for (failures, pause) in [(1, 76), (2, 376), (3, 1501), (4, 0)] {
        proxy.until_metric(&format!("menshen_certificate_orders_total{{outcome=\"failed\"}} {failures}"));
        proxy.advance(Duration::from_secs(pause));
    }
    for _ in 0..3 {
        proxy.restart();
        proxy.advance(Duration::from_secs(600));
        proxy.reload().unwrap();
    }
    ca.be(Whims::default());
    looks_at(&ca, &proxy);
    proxy.advance(Duration::from_secs(901));
    until_shown(&ca, &proxy, SITE);
    assert_eq!(ca.orders(), [SITE; 5], "soon after whatever may have mended it, and not at once");
}

/// Regression: a start or a reload brought the next try forward to within fifteen minutes.
#[test]
fn an_authority_that_says_it_is_asked_too_often_is_left_alone_whatever_starts_anew() {
    let whims = Whims { refuses: Some(("rateLimited", "too many orders")), ..Whims::default() };
    let (ca, _upstream, mut proxy) = begun("", whims);
    looks_at(&ca, &proxy);
    proxy.until_metric("menshen_certificate_orders_total{outcome=\"failed\"} 1");
    for _ in 0..2 {
        proxy.restart();
        proxy.advance(Duration::from_secs(1000));
        proxy.reload().unwrap();
        proxy.advance(Duration::from_secs(780));
    }
    ca.be(Whims::default());
    looks_at(&ca, &proxy);
    proxy.advance(Duration::from_secs(1000));
    until_shown(&ca, &proxy, SITE);
    assert_eq!(ca.orders(), [SITE; 2], "not within the hour");
}

#[test]
fn an_authority_is_told_whom_it_may_write_to_by_now() {
    let (ca, _upstream, proxy) = begun("contact = [\"mailto:old@shop.example\"]", Whims::default());
    looks_at(&ca, &proxy);
    until_shown(&ca, &proxy, SITE);
    proxy.rewrite(|text| text.replace("mailto:old@", "mailto:new@"));
    proxy.reload().unwrap();
    proxy.advance(61 * DAY);
    ca.until_fetched(2);
    assert_eq!(ca.accounts(), [serde_json::json!(["mailto:new@shop.example"])]);
}

#[test]
fn an_authority_that_has_begun_anew_gets_a_new_account() {
    let (ca, _upstream, proxy) = begun("", Whims::default());
    looks_at(&ca, &proxy);
    until_shown(&ca, &proxy, SITE);
    ca.forget_accounts();
    proxy.advance(61 * DAY);
    ca.until_fetched(2);
    assert_eq!(ca.accounts().len(), 2);
}
