//! TLS towards clients.

use std::fs;
use std::io::Write;
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tokio::time::Instant;

use crate::support::{Authority, Connection, Proxy, SITE, Setup, Upstream, events, eventually};

/// A proxy at an https site, which shows these certificates.
fn proxy(authority: &Authority, files: &[&str], upstream: &Upstream) -> Proxy {
    setup(authority, files).before(upstream)
}

fn setup(authority: &Authority, files: &[&str]) -> Setup {
    let setup = Setup::new().origin(&format!("https://{SITE}")).section(&authority.section(files));
    setup.server("listen_tls = [\"127.0.0.1:0\"]")
}

/// The certificate that a client is shown who asks for `name`.
fn shown(proxy: &Proxy, name: &str, authority: &Authority) -> Vec<u8> {
    let client = authority.client(&[&TLS13]);
    // Whether the client takes it is another question.
    match Connection::secured(proxy.tls_address(), name, &client) {
        Ok(connection) => connection.tls().peer_certificates().unwrap()[0].to_vec(),
        Err(error) => panic!("{name}: {error}"),
    }
}

fn der(authority: &Authority, file: &str) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_file(authority.chain(file)).unwrap().to_vec()
}

#[test]
fn a_visitor_is_served_over_tls_and_the_upstream_is_told_of_https() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let proxy = proxy(&authority, &["site"], &upstream);
    for version in [&TLS12, &TLS13] {
        let client = authority.client(&[version]);
        let mut connection = Connection::secured(proxy.tls_address(), SITE, &client).unwrap();
        assert_eq!(connection.get("/path?query", &[]).answer().text(), "hello");
        let received = upstream.next();
        assert_eq!(received.line(), "GET /path?query HTTP/1.1");
        assert_eq!(received.header("x-forwarded-proto"), Some("https"));
        assert_eq!(connection.get("/again", &[]).answer().status, 200, "the connection is kept");
        upstream.next();
    }
}

#[test]
fn an_idle_connection_ends_with_a_word_after_its_time_and_when_the_server_goes_down() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    // Longer than what is kept of an idle connection beside its socket.
    let setup = setup(&authority, &["site"]).section("[limits]\nkeep_alive = \"4s\"");
    let mut proxy = setup.before(&upstream);
    let client = authority.client(&[&TLS13]);
    let connect = || {
        let mut connection = Connection::secured(proxy.tls_address(), SITE, &client).unwrap();
        assert_eq!(connection.get("/", &[]).answer().text(), "hello");
        connection
    };
    assert!(connect().ends_orderly(), "its time was over");
    let (mut at_rest, began) = (connect(), Instant::now());
    // It is let go of after three seconds, of four.
    eventually(|| began.elapsed() > Duration::from_millis(3200));
    proxy.stop();
    assert!(at_rest.ends_orderly(), "the server went down");
}

#[test]
fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE, "other.shop.example"]);
    authority.issue("wild", &["*.shop.example", "127.0.0.1"]);
    authority.issue("exact", &["exact.shop.example"]);
    let proxy = proxy(&authority, &["site", "wild", "exact"], &upstream);
    for (name, file) in [
        (SITE, "site"),
        ("WWW.Meiduo.site", "site"),
        ("any.shop.example", "wild"),
        ("other.shop.example", "site"),
        ("exact.shop.example", "exact"),
    ] {
        assert_eq!(shown(&proxy, name, &authority), der(&authority, file), "{name}");
    }
    let client = authority.client(&[&TLS13]);
    for name in ["a.b.shop.example", "unknown.test", "127.0.0.1"] {
        let error = Connection::secured(proxy.tls_address(), name, &client).err().unwrap().to_string();
        assert!(error.contains("not valid for name"), "the first there is, which is not for {name}: {error}");
    }
}

#[test]
fn a_changed_certificate_is_shown_without_a_restart_and_a_bad_one_is_not() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let proxy = proxy(&authority, &["site"], &upstream);
    let client = authority.client(&[&TLS13]);
    let mut open = Connection::secured(proxy.tls_address(), SITE, &client).unwrap();
    let first = der(&authority, "site");

    fs::write(authority.key("site"), "no key").unwrap();
    events().wait_for(1, &["ERROR", "the old one is shown", authority.key("site").to_str().unwrap()]);
    assert_eq!(shown(&proxy, SITE, &authority), first);
    authority.issue("another", &[SITE]);
    fs::copy(authority.key("another"), authority.key("site")).unwrap();
    events().wait_for(1, &["ERROR", "is not the key of", authority.key("site").to_str().unwrap()]);
    assert_eq!(shown(&proxy, SITE, &authority), first);
    let told = proxy.reload().unwrap_err().to_string();
    assert!(told.contains("is not the key of") && told.contains("tls.certificates[0].key_file"), "{told}");
    assert_eq!(shown(&proxy, SITE, &authority), first);

    authority.issue("site", &[SITE]);
    events().wait_for(1, &["INFO", "the new one is shown", authority.chain("site").to_str().unwrap()]);
    assert_ne!(der(&authority, "site"), first);
    assert_eq!(shown(&proxy, SITE, &authority), der(&authority, "site"));
    assert_eq!(open.get("/", &[]).answer().status, 200, "who was connected before stays so");
}

#[test]
fn a_reload_shows_what_the_configuration_names_now_and_open_connections_stay() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    authority.issue("next", &[SITE]);
    let proxy = proxy(&authority, &["site"], &upstream);
    let client = authority.client(&[&TLS12, &TLS13]);
    let mut open = Connection::secured(proxy.tls_address(), SITE, &client).unwrap();
    let old_client = authority.client(&[&TLS12]);
    assert!(Connection::secured(proxy.tls_address(), SITE, &old_client).is_ok());
    proxy.rewrite(|text| {
        let text = text.replace("site.pem", "next.pem").replace("site.key", "next.key");
        text + "[tls]\nmin_version = \"1.3\"\n"
    });
    assert_eq!(proxy.reload().unwrap().need_a_restart, [""; 0]);
    assert_eq!(shown(&proxy, SITE, &authority), der(&authority, "next"));
    assert!(Connection::secured(proxy.tls_address(), SITE, &old_client).is_err(), "TLS 1.2 is spoken no more");
    assert_eq!(open.get("/", &[]).answer().status, 200);
}

#[test]
fn who_comes_back_needs_no_full_handshake_also_after_a_reload() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let proxy = proxy(&authority, &["site"], &upstream);
    for version in [&TLS12, &TLS13] {
        let client = authority.client(&[version]);
        let kind = || {
            let mut connection = Connection::secured(proxy.tls_address(), SITE, &client).unwrap();
            // The tickets come with the answer.
            assert_eq!(connection.get("/", &[]).answer().status, 200);
            connection.tls().handshake_kind().unwrap()
        };
        assert_eq!(kind(), HandshakeKind::Full);
        assert_eq!(kind(), HandshakeKind::Resumed);
        proxy.reload().unwrap();
        assert_eq!(kind(), HandshakeKind::Resumed);
    }
}

#[test]
fn a_handshake_that_does_not_come_about_ends_its_connection_alone() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let setup = setup(&authority, &["site"]).section("[limits]\nhead_timeout = \"300ms\"");
    let proxy = setup.before(&upstream);
    let mut silent = Connection::to(proxy.tls_address());
    let mut halfway = Connection::to(proxy.tls_address());
    halfway.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
    // By default a head may take as long as the test waits for anything.
    assert!(silent.is_closed());
    assert!(halfway.until_closed().rest().is_empty());
    let mut nonsense = Connection::to(proxy.tls_address());
    nonsense.send([0xff; 64]).until_closed();
    let client = authority.client(&[&TLS13]);
    let mut honest = Connection::secured(proxy.tls_address(), SITE, &client).unwrap();
    assert_eq!(honest.get("/", &[]).answer().status, 200);
    let mut plain = Connection::to(proxy.address);
    let hello = [&[0x16, 0x03, 0x01, 0x00, 0x04][..], b"\x01\x00\x00\x00"].concat();
    plain.send(hello).until_closed();
    assert!(plain.rest().is_empty() || plain.rest().starts_with(b"HTTP/1.1 400"), "{:?}", plain.rest());
}

#[test]
fn plain_http_at_a_tls_address_is_told_so() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let proxy = proxy(&authority, &["site"], &upstream);
    let answer = Connection::to(proxy.tls_address()).get("/secret?code=1", &[]).answer();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("https://") && !answer.text().contains("code"), "{}", answer.text());
    upstream.saw_nothing();
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole_over_tls() {
    let authority = Authority::new();
    authority.issue("site", &[SITE]);
    // Its length is not told, so that its end could be taken for the connection's.
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = crate::support::read_head(&mut stream, connection).unwrap();
        seen.send(request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nbeginning").unwrap();
        stream.flush().unwrap();
        // Not before it has been passed on.
        std::io::Read::read_exact(&mut stream, &mut [0; 0]).unwrap();
        crate::support::reset(stream);
    });
    let proxy = proxy(&authority, &["site"], &upstream);
    let client = authority.client(&[&TLS13]);
    let mut connection = Connection::secured(proxy.tls_address(), SITE, &client).unwrap();
    connection.get("/", &[]);
    let ended = connection.ends_orderly();
    assert!(!ended, "TLS ended as after a whole answer");
}

#[test]
fn who_comes_to_an_https_site_without_tls_is_sent_to_where_there_is() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let proxy = setup(&authority, &["site"]).server("trusted_proxies = [\"127.0.0.9\"]").before(&upstream);
    for (target, there) in
        [("/a?b=c", "/a?b=c"), ("/.menshen/login", "/.menshen/login"), ("//evil.example/", "//evil.example/")]
    {
        let answer = proxy.connect().get(target, &[]).answer();
        assert_eq!(answer.status, 308, "{target}");
        assert_eq!(answer.header("location"), Some(format!("https://{SITE}{there}").as_str()));
        assert_eq!(answer.header("strict-transport-security"), None);
    }
    let posted = format!("POST /a HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(proxy.connect().send(posted).answer().status, 308);
    assert_eq!(proxy.connect().get("/.menshen/health", &[]).answer().status, 200);
    let claimed = proxy.connect().get("/", &["X-Forwarded-Proto: https"]).answer();
    assert_eq!(claimed.status, 308, "a stranger's word is none");
    upstream.saw_nothing();
    let from = std::net::SocketAddr::from(([127, 0, 0, 9], 0));
    for (said, status) in
        [("X-Forwarded-Proto: https", 200), ("X-Forwarded-Proto: https, http", 308), ("X-None: y", 308)]
    {
        let mut trusted = Connection::from(from, proxy.address);
        assert_eq!(trusted.get("/", &[said]).answer().status, status, "{said}");
    }
}

#[test]
fn who_comes_to_another_port_of_an_https_site_without_tls_is_sent_on_too() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let proxy = setup(&authority, &["site"]).before(&upstream);
    let ask = |connection: &mut Connection, host: &str| {
        connection.send(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n")).answer()
    };
    for host in [format!("{SITE}:8000"), format!("{}.:1", SITE.to_uppercase())] {
        let answer = ask(&mut proxy.connect(), &host);
        assert_eq!((answer.status, answer.header("location")), (308, Some(format!("https://{SITE}/a").as_str())));
        let mut secured = Connection::secured(proxy.tls_address(), SITE, &authority.client(&[&TLS13])).unwrap();
        assert_eq!(ask(&mut secured, &host).status, 421, "by TLS it is no host of ours");
    }
    for host in ["evil.example", &format!("{SITE}.evil.example:8000"), &format!("sub.{SITE}:8000")] {
        assert_eq!(ask(&mut proxy.connect(), host).status, 421, "{host}");
    }
    let lax = setup(&authority, &["site"]).section("[tls]\nredirect = false\n").before(&upstream);
    assert_eq!(ask(&mut lax.connect(), &format!("{SITE}:8000")).status, 421, "where nobody is sent on");
    upstream.saw_nothing();
}

#[test]
fn browsers_are_told_to_stay_with_tls_where_the_setting_says_so() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let setup = setup(&authority, &["site"]).section("[tls]\nhsts = \"180d\"\nredirect = false\n");
    let proxy = setup.route("/user/*", "required").before(&upstream);
    let client = authority.client(&[&TLS13]);
    for target in ["/", "/user/", "/.menshen/login"] {
        let mut connection = Connection::secured(proxy.tls_address(), SITE, &client).unwrap();
        let answer = connection.get(target, &[]).answer();
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=15552000"), "{target}");
        let plain = proxy.connect().get(target, &[]).answer();
        assert_ne!(plain.status, 308);
        assert_eq!(plain.header("strict-transport-security"), None, "{target}");
    }
}
