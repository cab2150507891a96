//! Upstreams that are down, slow or broken: what the client is told, and that nothing broken ever looks whole.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use crate::support::{Connection, Setup, Upstream, nobody_listens, read_body, read_head, reset};

#[test]
fn an_upstream_that_is_down_is_502_as_a_page_in_both_languages_or_as_json() {
    let proxy = Setup::new().before_address(nobody_listens());
    for (language, tag) in [("en", "en"), ("zh-CN", "zh-Hans")] {
        let language = format!("Accept-Language: {language}");
        let answer = proxy.connect().get("/", &["Accept: text/html", &language]).answer();
        assert_eq!((answer.status, answer.header("cache-control")), (502, Some("no-store")));
        assert!(answer.header("content-language").unwrap().starts_with(&tag[..2]));
        assert!(answer.text().contains("502"), "{}", answer.text());
    }
    let answer = proxy.connect().get("/", &[]).answer();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (502, Some("502")));
    assert_eq!(answer.json()["request_id"].as_str().unwrap().len(), 16);
}

/// A listener that takes no more connections, and does not refuse them either: what waits at it.
fn overrun() -> (SocketAddr, impl Sized) {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let waiting = TcpStream::connect(address).unwrap();
    (address, (listener, waiting))
}

#[test]
fn an_upstream_that_accepts_no_connection_is_502_after_the_connect_timeout_and_passed_over_where_another_does() {
    let (stuck, _waiting) = overrun();
    let limited = || Setup::new().one_core().upstream("connect_timeout = \"100ms\"");
    let proxy = limited().before_address(stuck);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502);
    let upstream = Upstream::hello();
    let proxy = limited().before_all(&[stuck, upstream.address()]);
    (0..4).for_each(|_| assert_eq!(proxy.connect().get("/", &[]).answer().status, 200));
}

#[test]
fn an_upstream_that_does_not_answer_in_time_is_504_and_is_hung_up_on() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        request.body = read_body(&mut stream, 1);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().upstream("head_timeout = \"100ms\"").before(&upstream);
    let mut client = proxy.connect();
    assert_eq!(client.get("/", &[]).answer().status, 504);
    assert!(upstream.next().body.is_empty(), "the upstream's connection was closed");
    // The client's own connection goes on.
    for (language, tag) in [("en", "en"), ("zh-CN", "zh")] {
        let answer = client.get("/", &["Accept: text/html", &format!("Accept-Language: {language}")]).answer();
        assert_eq!((answer.status, answer.header("cache-control")), (504, Some("no-store")));
        assert!(answer.header("content-language").unwrap().starts_with(tag));
    }
    let answer = client.get("/", &[]).answer();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (504, Some("504")));
    assert_eq!(answer.json()["request_id"].as_str().unwrap().len(), 16);
}

#[test]
fn nonsense_instead_of_an_answer_is_502() {
    for nonsense in
        ["", "hello\r\n\r\n", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nX", "HTTP/1.1 99 X\r\n\r\n", "HTTP/2 200\r\n\r\n"]
    {
        let upstream = Upstream::serving(move |mut stream, connection, seen| {
            seen.send(read_head(&mut stream, connection).unwrap()).unwrap();
            stream.write_all(nonsense.as_bytes()).unwrap();
        });
        let proxy = Setup::new().before(&upstream);
        assert_eq!(proxy.connect().get("/", &[]).answer().status, 502, "{nonsense:?}");
    }
}

#[test]
fn an_answer_with_a_head_without_end_is_502() {
    let upstream = Upstream::scripted(|_| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(1 << 20)).into());
    let proxy = Setup::new().before(&upstream);
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502);
}

const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n";

/// A client's connection whose answer breaks off after `begun`, in an orderly way or by a reset.
fn broken_off(head: &'static str, by_reset: bool, version: &str) -> Connection {
    let upstream = Upstream::serving(move |mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        stream.write_all(format!("{head}begun").as_bytes()).unwrap();
        // The beginning has arrived before the rest breaks off.
        read_body(&mut stream, 2);
        seen.send(request).unwrap();
        if by_reset {
            reset(stream);
        }
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.send(format!("POST / {version}\r\nHost: www.meiduo.site\r\nContent-Length: 2\r\n\r\n"));
    client.until(b"begun");
    client.send("go");
    upstream.next();
    client.until_closed();
    client
}

#[test]
fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    const TO_THE_END: &str = "HTTP/1.1 200 OK\r\n\r\n";
    for by_reset in [false, true] {
        assert_eq!(broken_off(LENGTH, by_reset, "HTTP/1.1").rest(), b"");
        assert_eq!(broken_off(CHUNKED, by_reset, "HTTP/1.1").rest(), b"\r\n", "no last chunk");
        // Where nothing but the connection's end tells, the end has to be a reset.
        assert!(broken_off(CHUNKED, by_reset, "HTTP/1.0").was_reset());
    }
    assert!(broken_off(TO_THE_END, true, "HTTP/1.1").was_reset());
    assert!(!broken_off(TO_THE_END, false, "HTTP/1.1").was_reset(), "that is how such an answer ends");
}

/// Regression: an answer that broke off together with its head was no answer at all, to whoever had asked.
#[test]
fn what_has_come_of_an_answer_that_breaks_off_reaches_the_client() {
    for head in [LENGTH, CHUNKED] {
        for _ in 0..20 {
            let upstream = Upstream::serving(move |mut stream, connection, _| {
                read_head(&mut stream, connection).unwrap();
                stream.write_all(head.as_bytes()).unwrap();
            });
            let proxy = Setup::new().one_core().before(&upstream);
            let mut client = proxy.connect();
            client.get("/", &[]).until_closed();
            let text = String::from_utf8_lossy(client.rest()).into_owned();
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{head:?}: {text:?}");
        }
    }
}

#[test]
fn an_upstream_that_falls_silent_in_its_answer_is_broken_off() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegun").unwrap();
        request.body = read_body(&mut stream, 1);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().upstream("idle_timeout = \"100ms\"").before(&upstream);
    let answer = proxy.connect().get("/", &[]).answer();
    assert_eq!((answer.status, answer.is_whole), (200, false));
    upstream.next();
}

#[test]
fn a_client_that_falls_silent_in_its_body_is_given_up() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        request.body = read_body(&mut stream, usize::MAX);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().upstream("idle_timeout = \"100ms\"").before(&upstream);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 10\r\n\r\nbegun");
    assert_eq!((client.answer().status, client.is_closed()), (408, true));
    assert_eq!(upstream.next().body, b"begun");
}

/// Regression: the upstream was blamed (504) for an answer that it could not give yet.
#[test]
fn a_client_that_keeps_back_its_body_is_told_so_and_not_that_the_upstream_is_slow() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        read_body(&mut stream, usize::MAX);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().upstream("head_timeout = \"100ms\"").before(&upstream);
    for (expect, begun) in [("Expect: 100-continue\r\n", ""), ("", "begun"), ("", "")] {
        let mut client = proxy.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 10\r\n{expect}\r\n{begun}"));
        if !expect.is_empty() {
            client.until(b"100 Continue\r\n\r\n");
        }
        assert_eq!((client.answer().status, client.is_closed()), (408, true), "{expect:?} {begun:?}");
        upstream.next();
    }
}
