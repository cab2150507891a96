//! Request bodies: `Expect`, trailers, sizes.

use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;

use crate::support::{Setup, Upstream, read_body, read_head};

const EXPECTING: &str = "POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";

#[test]
fn a_client_that_waits_for_100_gets_the_upstreams() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        assert_eq!(request.header("expect"), Some("100-continue"));
        // Only now may the client be asked for its body.
        seen.send(request.clone()).unwrap();
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        request.body = read_body(&mut stream, 4);
        seen.send(request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.send(EXPECTING);
    upstream.next();
    assert_eq!(client.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    assert_eq!(client.answer().text(), "ok");
    assert_eq!(upstream.next().body, b"body");
}

/// A body is sent after a second in any case: what is at once has another cause.
#[test]
fn the_upstreams_100_and_not_only_patience_lets_the_body_through() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        while let Some(mut request) = read_head(&mut stream, connection) {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
            request.body = read_body(&mut stream, 4);
            seen.send(request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
    });
    let proxy = Setup::new().before(&upstream);
    let is_at_once = |_| {
        let (mut client, begun) = (proxy.connect(), Instant::now());
        client.send(EXPECTING).until(b"\r\n\r\n");
        let waited = begun.elapsed();
        assert_eq!(client.send("body").answer().text(), "ok");
        waited < Duration::from_secs(1)
    };
    assert!((0..10).any(is_at_once));
}

#[test]
fn a_refusal_in_place_of_100_arrives_without_the_body_having_been_asked_for() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        seen.send(read_head(&mut stream, connection).unwrap()).unwrap();
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").unwrap();
        assert!(read_body(&mut stream, 4).is_empty(), "a body followed that nobody had asked for");
        seen.send(crate::support::Received { head: "closed".into(), body: Vec::new(), connection }).unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.send(EXPECTING);
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (401, "no"), "not a 100 before it");
    drop(client);
    upstream.next();
    assert_eq!(upstream.next().head, "closed");
}

#[test]
fn an_upstream_that_never_says_100_gets_the_body_all_the_same() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.send(EXPECTING);
    assert_eq!(client.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.send("body").answer().text(), "hello");
    assert_eq!(upstream.next().body, b"body");
}

#[test]
fn announced_trailers_of_a_request_reach_the_upstream_but_no_identity_does() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let head = "POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nTransfer-Encoding: chunked\r\n\
        Trailer: X-Sum, X-Menshen-User, X-Forwarded-For, Connection, Expect\r\n\r\n";
    let trailers = "X-Sum: 7\r\nX-Menshen-User: admin\r\nX_Menshen_User: admin\r\nX-Forwarded-For: 6.6.6.6\r\n\
        Connection: close\r\nExpect: x\r\n\r\n";
    assert_eq!(proxy.connect().send(format!("{head}2\r\nhi\r\n0\r\n{trailers}")).answer().status, 200);
    let request = upstream.next();
    assert_eq!(request.header("trailer"), Some("X-Sum, X-Menshen-User, X-Forwarded-For, Connection, Expect"));
    assert_eq!(String::from_utf8(request.body).unwrap(), "2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n");
}

#[test]
fn a_client_that_breaks_off_its_body_never_looks_whole_upstream() {
    for framing in ["Content-Length: 10\r\n\r\nbegun", "Transfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n"] {
        let upstream = Upstream::serving(|mut stream, connection, seen| {
            let mut request = read_head(&mut stream, connection).unwrap();
            seen.send(request.clone()).unwrap();
            request.body = read_body(&mut stream, usize::MAX);
            seen.send(request).unwrap();
        });
        let proxy = Setup::new().before(&upstream);
        let mut client = proxy.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\n{framing}"));
        upstream.next();
        drop(client);
        let body = String::from_utf8(upstream.next().body).unwrap();
        assert!(body.contains("begun") && !body.contains("0\r\n\r\n"), "{body:?}");
    }
}

#[test]
fn an_expectation_without_a_body_passes_unless_it_is_for_100() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for (said, passed) in [("100-continue", None), ("something-else", Some("something-else"))] {
        let answer =
            proxy.connect().send(format!("GET / HTTP/1.1\r\nHost: www.meiduo.site\r\nExpect: {said}\r\n\r\n")).answer();
        assert_eq!(answer.status, 200, "{said}");
        assert_eq!(upstream.next().header("expect"), passed, "{said}");
    }
}

#[test]
fn a_connection_whose_request_had_trailers_serves_again() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().one_core().upstream("keep_alive = \"1m\"").before(&upstream);
    let head = "POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
    for _ in 0..3 {
        assert_eq!(proxy.connect().send(format!("{head}2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")).answer().status, 200);
        assert_eq!(upstream.next().connection, 0);
    }
}
