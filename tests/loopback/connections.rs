//! How many connections there may be.

use std::net::{Ipv4Addr, SocketAddr};

use crate::support::{Connection, Setup, Upstream, events};

/// Regression: one address took every place there was, and everybody else was turned away.
#[test]
fn no_address_takes_every_place() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().section("[limits]\nconnections = 8\n").log("level = \"warn\"").before(&upstream);
    let from = |last| Connection::from(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)), proxy.address);
    let mut greedy: Vec<_> = (0..2).map(|_| from(77)).collect();
    for connection in &mut greedy {
        assert_eq!(connection.get("/", &[]).answer().status, 200);
    }
    for _ in 0..20 {
        let mut one_more = from(77);
        one_more.try_send("GET / HTTP/1.1\r\nHost: www.meiduo.site\r\nConnection: close\r\n\r\n");
        assert!(one_more.until_closed().rest().is_empty(), "a quarter of the places is its share");
    }
    events().wait_for(1, &["WARN", "one address holds limits.connections_per_address", "127.0.0.77"]);
    let mut honest: Vec<_> = (78..81).map(from).collect();
    for connection in &mut honest {
        assert_eq!(connection.get("/", &[]).answer().status, 200);
    }
    drop(greedy);
    crate::support::eventually(|| {
        let mut again = from(77);
        again.try_send("GET / HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n") && !again.is_closed()
    });
}

#[test]
fn a_proxy_that_is_trusted_may_hold_every_place() {
    let upstream = Upstream::hello();
    let setup = Setup::new().section("[limits]\nconnections = 8\nconnections_per_address = 1\n");
    let proxy = setup.server("trusted_proxies = [\"127.0.0.1\"]").before(&upstream);
    let mut all: Vec<_> = (0..8).map(|_| proxy.connect()).collect();
    for connection in &mut all {
        assert_eq!(connection.get("/", &[]).answer().status, 200);
    }
}
