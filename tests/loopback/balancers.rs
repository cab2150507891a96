//! Balancers that say by a PROXY header whom a connection is for.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rustls::version::TLS13;

use crate::support::{Authority, Connection, Proxy, SITE, Setup, Upstream, events, eventually};

/// Where the balancer is; other tests' clients are at other addresses.
const BALANCER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 90)), 0);

/// Version 2, for 203.0.113.9:4711.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x7f\x00\x00\x01\x12\x67\x00\x50";

fn setup() -> Setup {
    Setup::new().server("proxy_protocol = [\"127.0.0.90\"]")
}

/// A connection of the balancer's, for a client.
fn introduced(proxy: &Proxy, client: &str) -> Connection {
    let mut connection = Connection::from(BALANCER, proxy.address);
    connection.send(format!("PROXY TCP4 {client} 127.0.0.1 4711 80\r\n"));
    connection
}

#[test]
fn what_a_balancer_says_is_the_clients_address_for_the_upstream_and_the_log() {
    let upstream = Upstream::hello();
    let mut proxy = setup().log("access = true").before(&upstream);
    for header in [b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n".as_slice(), BINARY] {
        let mut connection = Connection::from(BALANCER, proxy.address);
        // In one piece with the request, as balancers send it.
        let request = format!("GET /a HTTP/1.1\r\nHost: {SITE}\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
        connection.send([header, request.as_bytes()].concat());
        assert_eq!(connection.answer().text(), "hello");
        assert_eq!(connection.get("/b", &[]).answer().status, 200, "there is one header for the whole connection");
        for _ in 0..2 {
            assert_eq!(upstream.next().header("x-forwarded-for"), Some("203.0.113.9"));
        }
    }
    proxy.stop();
    let lines = proxy.log.objects();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["client"] == "203.0.113.9"), "{lines:?}");
}

#[test]
fn trusted_proxies_are_known_by_the_address_that_the_balancer_says() {
    let upstream = Upstream::hello();
    let proxy = setup().server("trusted_proxies = [\"10.0.0.0/8\"]").before(&upstream);
    let told = ["X-Forwarded-For: 198.51.100.7"];
    introduced(&proxy, "10.1.2.3").get("/", &told).answer();
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("198.51.100.7, 10.1.2.3"));
    introduced(&proxy, "203.0.113.9").get("/", &told).answer();
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("203.0.113.9"));

    let proxy = setup().server("trusted_proxies = [\"127.0.0.90\"]").before(&upstream);
    introduced(&proxy, "203.0.113.9").get("/", &told).answer();
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("203.0.113.9"), "the balancer is not the peer");
}

#[test]
fn a_balancer_that_speaks_for_itself_is_a_client_like_any_other() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    for header in [b"PROXY UNKNOWN\r\n".as_slice(), b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"] {
        let mut connection = Connection::from(BALANCER, proxy.address);
        connection.send(header);
        assert_eq!(connection.get("/", &[]).answer().status, 200);
        assert_eq!(upstream.next().header("x-forwarded-for"), Some("127.0.0.90"));
    }
}

#[test]
fn whom_a_trusted_balancer_does_not_introduce_is_believed_nothing() {
    let upstream = Upstream::hello();
    let proxy = setup().server("trusted_proxies = [\"127.0.0.90\"]").before(&upstream);
    let mut connection = Connection::from(BALANCER, proxy.address);
    connection.send("PROXY UNKNOWN\r\n").get("/", &["X-Forwarded-For: 198.51.100.7"]).answer();
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("127.0.0.90"));
}

#[test]
fn a_header_of_somebody_who_is_no_balancer_is_no_request() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    for header in [b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n".as_slice(), BINARY] {
        let mut connection = proxy.connect();
        connection.send(header);
        connection.try_send(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n"));
        assert_eq!(connection.answer().status, 400, "{}", header.escape_ascii());
        assert!(connection.is_closed());
    }
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 200);
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn a_balancers_connection_without_a_good_header_is_closed_without_a_word() {
    let upstream = Upstream::hello();
    let proxy = setup().log("level = \"debug\"").before(&upstream);
    let request = format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n");
    for header in ["", "PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\n", "PROXY TCP4 203.0.113.9\r\n"] {
        let mut connection = Connection::from(BALANCER, proxy.address);
        connection.try_send(format!("{header}{request}"));
        assert!(connection.until_closed().rest().is_empty(), "{header:?}");
    }
    events().wait_for(1, &["WARN", "a balancer's connection was closed", "have the balancer send one", "127.0.0.90"]);
    upstream.saw_nothing();
    assert_eq!(introduced(&proxy, "203.0.113.9").get("/", &[]).answer().status, 200);
}

#[test]
fn a_balancer_has_for_its_header_the_time_that_a_head_has() {
    let upstream = Upstream::hello();
    let proxy = setup().section("[limits]\nhead_timeout = \"200ms\"").before(&upstream);
    let mut connection = Connection::from(BALANCER, proxy.address);
    connection.send("PROXY TCP4 203.0.113.9 ");
    assert!(connection.closes_within(Duration::from_secs(10)));
}

#[test]
fn clients_behind_a_balancer_have_each_their_share_and_the_balancer_has_none() {
    let upstream = Upstream::hello();
    let limits = "[limits]\nconnections = 20\nconnections_per_address = 2";
    let proxy = setup().section(limits).log("level = \"warn\"").before(&upstream);
    let mut held: Vec<_> = (0..2).map(|_| introduced(&proxy, "203.0.113.77")).collect();
    for connection in &mut held {
        assert_eq!(connection.get("/", &[]).answer().status, 200);
    }
    let mut one_more = introduced(&proxy, "203.0.113.77");
    one_more.try_send(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n"));
    assert!(one_more.until_closed().rest().is_empty());
    events().wait_for(1, &["WARN", "one address holds limits.connections_per_address", "203.0.113.77"]);
    let mut others: Vec<_> = (1..9).map(|last| introduced(&proxy, &format!("203.0.113.{last}"))).collect();
    for connection in &mut others {
        assert_eq!(connection.get("/", &[]).answer().status, 200, "the balancer's own address counts for nothing");
    }
    drop(held);
    eventually(|| {
        let mut again = introduced(&proxy, "203.0.113.77");
        again.try_send(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n")) && !again.is_closed()
    });
}

#[test]
fn the_header_comes_before_tls() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let setup = setup().origin(&format!("https://{SITE}")).section(&authority.section(&["site"]));
    let proxy = setup.server("listen_tls = [\"127.0.0.1:0\"]").before(&upstream);
    let mut connection = Connection::from(BALANCER, proxy.tls_address());
    connection.send(BINARY);
    let mut connection = connection.secured_as(SITE, &authority.client(&[&TLS13])).unwrap();
    assert_eq!(connection.get("/", &[]).answer().text(), "hello");
    let received = upstream.next();
    assert_eq!(received.header("x-forwarded-for"), Some("203.0.113.9"));
    assert_eq!(received.header("x-forwarded-proto"), Some("https"));
}

#[test]
fn who_is_a_balancer_changes_with_a_reload() {
    let upstream = Upstream::hello();
    let proxy = setup().before(&upstream);
    assert_eq!(introduced(&proxy, "203.0.113.9").get("/", &[]).answer().status, 200);
    proxy.rewrite(|text| text.replace("proxy_protocol = [\"127.0.0.90\"]", ""));
    assert!(proxy.reload().unwrap().need_a_restart.is_empty());
    let mut connection = introduced(&proxy, "203.0.113.9");
    assert_eq!(connection.answer().status, 400);
}
