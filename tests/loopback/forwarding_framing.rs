//! Where a message ends: one canonical form goes on, and what could be read in two ways is refused.

use std::io::Write;

use crate::support::{Setup, Upstream, read_body, read_head};

const HEAD: &str = "POST / HTTP/1.1\r\nHost: www.meiduo.site\r\n";

#[test]
fn a_length_beside_chunks_is_dropped_and_the_connection_ends() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n";
    let request =
        format!("{HEAD}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n{smuggled}");
    assert_eq!(client.send(request).answer().status, 200);
    assert!(client.is_closed());
    let request = upstream.next();
    assert_eq!((request.header("content-length"), request.header("transfer-encoding")), (None, Some("chunked")));
    assert_eq!(request.body, b"2\r\nhi\r\n0\r\n\r\n");
    upstream.saw_nothing();
}

#[test]
fn the_same_length_twice_goes_on_once() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let request = format!("{HEAD}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(proxy.connect().send(request).answer().status, 200);
    let request = upstream.next();
    assert_eq!((request.header("content-length"), request.body.as_slice()), (Some("2"), &b"hi"[..]));
}

/// Regression: zeros went on, and to whoever counts in eights they make another number.
#[test]
fn a_length_goes_on_as_the_plain_number_that_it_is() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for fields in ["Content-Length: 002\r\n", "Content-Length: 2\r\nContent-Length: 02\r\n", "Content-Length:\t2\t\r\n"]
    {
        assert_eq!(proxy.connect().send(format!("{HEAD}{fields}\r\nhi")).answer().status, 200, "{fields:?}");
        let request = upstream.next();
        assert_eq!((request.header("content-length"), request.body.as_slice()), (Some("2"), &b"hi"[..]), "{fields:?}");
    }
}

#[test]
fn framings_that_can_be_read_in_two_ways_are_400_and_end_the_connection() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    for fields in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 2 2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: -2\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: 1\r\n Transfer-Encoding: chunked\r\n",
        "X\0Y: 1\r\n",
        "X: a\0b\r\n",
        "X: a\rb\r\n",
    ] {
        let mut client = proxy.connect();
        // If the framing were misread, what follows would be a request of its own.
        let request = format!("{HEAD}{fields}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n");
        assert_eq!(client.send(request).answer().status, 400, "{fields:?}");
        assert!(client.is_closed(), "{fields:?}");
    }
    // Nor is what follows taken for a request where the first one goes no further anyway.
    for (method, target) in
        [("GET", "/.menshen/health"), ("TRACE", "/"), ("POST", "/.menshen/nothing"), ("POST", "/own")]
    {
        let mut client = proxy.connect();
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: www.meiduo.site\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
        let answer =
            client.send(format!("{head}0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n")).answer();
        assert_eq!((answer.status, client.is_closed()), (400, true), "{method} {target}");
    }
    let http_1_0 = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(proxy.connect().send(http_1_0).answer().status, 400);
    upstream.saw_nothing();
}

#[test]
fn chunks_that_can_be_read_in_two_ways_never_make_a_whole_request() {
    for body in [
        "2\nhi\r\n0\r\n\r\n",
        "2\r\nhi0\r\n\r\n",
        "0x2\r\nhi\r\n0\r\n\r\n",
        "-1\r\nhi\r\n0\r\n\r\n",
        "\r\n\r\n",
        "11111111111111111\r\nhi\r\n0\r\n\r\n",
        "g\r\n",
    ] {
        let upstream = Upstream::hello();
        let proxy = Setup::new().before(&upstream);
        let mut client = proxy.connect();
        let answer = client.send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}")).answer();
        assert_eq!(answer.status, 400, "{body:?}");
        assert!(client.is_closed(), "{body:?}");
        upstream.saw_nothing();
    }
}

/// Regression: what followed a bare line feed in the trailers was taken for trailers too, up to the end of the next head:
/// two answers went back for three requests.
#[test]
fn no_trailers_swallow_the_request_behind_them_unnoticed() {
    let behind =
        "GET /behind HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\nGET /last HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n";
    for (trailers, status) in
        [("\n", 400), ("\n\r\n", 400), ("X: y\n\r\n", 200), ("X: y\n\n", 200), ("X: y\r\n\r\n", 200)]
    {
        let upstream = Upstream::hello();
        let proxy = Setup::new().before(&upstream);
        let mut client = proxy.connect();
        let body = format!("2\r\nhi\r\n0\r\n{trailers}");
        let answer = client.send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}{behind}")).answer();
        assert_eq!(answer.status, status, "{trailers:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{trailers:?}");
        assert!(client.until_closed().rest().is_empty(), "{trailers:?}");
        if status == 200 {
            assert_eq!(upstream.next().line(), "POST / HTTP/1.1");
        }
        upstream.saw_nothing();
    }
}

/// Whoever answers without a look at the body does not know how it ends.
#[test]
fn a_chunked_request_whose_end_was_not_read_is_the_last_of_its_connection() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    let head = "POST /.menshen/userinfo HTTP/1.1\r\nHost: www.meiduo.site\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = client.send(format!("{head}0\r\n\nGET / HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n")).answer();
    assert_eq!((answer.status, answer.header("connection")), (405, Some("close")));
    assert!(client.until_closed().rest().is_empty());
    upstream.saw_nothing();
}

#[test]
fn of_a_body_that_turns_out_unreadable_the_upstream_gets_no_more_than_was_read_and_never_its_end() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        // Answered early, as by a server that waits for no body.
        if request.line().contains("/early") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
        request.body = read_body(&mut stream, usize::MAX);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().one_core().upstream("keep_alive = \"1m\"").before(&upstream);
    for broken in ["0x2\r\nhi\r\n0\r\n\r\n", "2\r\nhi0\r\n\r\n", "g\r\n"] {
        for path in ["/", "/early"] {
            let mut client = proxy.connect();
            let head = format!("POST {path} HTTP/1.1\r\nHost: www.meiduo.site\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.send(format!("{head}5\r\nbegun\r\n{broken}")).until_closed();
            // Also shows that the connection was closed: it is read to its end, and served one request.
            let body = String::from_utf8(upstream.next().body).unwrap();
            assert!("5\r\nbegun\r\n2\r\nhi\r\n".starts_with(&body), "{broken:?} {path} {body:?}");
        }
    }
}

#[test]
fn a_head_with_a_chunked_body_is_one_request_and_its_answer_has_none() {
    let upstream = Upstream::scripted(|request| match request.line().starts_with("HEAD") {
        true => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec(),
        false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
    });
    let proxy = Setup::new().one_core().before(&upstream);
    let mut client = proxy.connect();
    let head = "HEAD / HTTP/1.1\r\nHost: www.meiduo.site\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{head}2\r\nhi\r\n0\r\n\r\n"));
    assert_eq!(client.answer_to(true).header("content-length"), Some("5"));
    assert_eq!(client.get("/", &[]).answer().text(), "ok");
    assert_eq!(upstream.next().body, b"2\r\nhi\r\n0\r\n\r\n");
    assert!(upstream.next().line().starts_with("GET / "));
    upstream.saw_nothing();
}

#[test]
fn chunk_extensions_end_here() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let request = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0;c\r\n\r\n");
    assert_eq!(proxy.connect().send(request).answer().status, 200);
    assert_eq!(upstream.next().body, b"2\r\nhi\r\n0\r\n\r\n");
}

#[test]
fn a_chunked_get_keeps_its_body() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let request =
        "GET /search HTTP/1.1\r\nHost: www.meiduo.site\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    assert_eq!(proxy.connect().send(request).answer().status, 200);
    let request = upstream.next();
    assert_eq!(
        (request.header("transfer-encoding"), request.body.as_slice()),
        (Some("chunked"), &b"2\r\nhi\r\n0\r\n\r\n"[..])
    );
}

#[test]
fn a_get_with_a_length_keeps_its_body_and_a_post_without_one_gains_none() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    proxy.connect().send("GET / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 2\r\n\r\nhi").answer();
    assert_eq!(upstream.next().body, b"hi");
    for (field, passed) in [("Content-Length: 0\r\n", Some("0")), ("", None)] {
        proxy.connect().send(format!("{HEAD}{field}\r\n")).answer();
        let request = upstream.next();
        assert_eq!((request.header("content-length"), request.header("transfer-encoding")), (passed, None));
    }
}

#[test]
fn careless_line_ends_arrive_as_one_canonical_form() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().before(&upstream);
    let request = "\r\n\r\nPOST /a HTTP/1.1\nHost: www.meiduo.site\nContent-Length: 2\n\nhi";
    assert_eq!(proxy.connect().send(request).answer().status, 200);
    let request = upstream.next();
    assert!(!request.head.replace("\r\n", "").contains(['\r', '\n']), "{:?}", request.head);
    assert_eq!((request.line(), request.body.as_slice()), ("POST /a HTTP/1.1", &b"hi"[..]));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::scripted(|request| {
        let path = request.line().split(' ').nth(1).unwrap();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()).into()
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.send(format!("{HEAD}Content-Length: 2\r\n\r\nhi")).get("/b", &[]).get("/c", &[]);
    assert_eq!(client.answer().text(), "/");
    assert_eq!(client.answer().text(), "/b");
    assert_eq!(client.answer().text(), "/c");
}

#[test]
fn an_answers_length_beside_chunks_is_dropped() {
    let upstream = Upstream::scripted(|_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}5\r\nhello\r\n0\r\n\r\n").into()
    });
    let proxy = Setup::new().before(&upstream);
    let answer = proxy.connect().get("/", &[]).answer();
    assert_eq!((answer.header("content-length"), answer.header("transfer-encoding")), (None, Some("chunked")));
    assert_eq!((answer.text().as_str(), answer.is_whole), ("hello", true));
}

#[test]
fn an_answer_nobody_can_frame_is_502() {
    for framing in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Content-Length: x\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
    ] {
        let upstream = Upstream::scripted(move |_| format!("HTTP/1.1 200 OK\r\n{framing}\r\n0\r\n\r\n").into());
        let proxy = Setup::new().before(&upstream);
        assert_eq!(proxy.connect().get("/", &[]).answer().status, 502, "{framing:?}");
    }
}
