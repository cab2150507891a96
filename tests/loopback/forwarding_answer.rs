//! Answers on their way back: their heads, their ends, and those without a body.

use std::io::Write;
use std::net::Shutdown;

use crate::support::{Setup, Upstream, read_body, read_head, read_request};

#[test]
fn answers_to_head_keep_their_fields_and_have_no_body() {
    let upstream = Upstream::scripted(|request| {
        let fields = match request.line() {
            "HEAD /length HTTP/1.1" => "Content-Length: 1234",
            "HEAD /chunked HTTP/1.1" => "Transfer-Encoding: chunked",
            _ => "X-Nothing: 1",
        };
        format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").into()
    });
    let proxy = Setup::new().one_core().before(&upstream);
    let mut client = proxy.connect();
    for (path, length) in [("/length", Some("1234")), ("/chunked", None), ("/nothing", None), ("/length", Some("1234"))]
    {
        let answer = client.send(format!("HEAD {path} HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n")).answer_to(true);
        assert_eq!((answer.status, answer.header("content-length")), (200, length), "{path}");
        assert_eq!(upstream.next().connection, 0, "one connection serves them all");
    }
}

#[test]
fn answers_without_a_body_leave_the_connection_usable() {
    let upstream = Upstream::scripted(|request| {
        let status = request.line().split(['/', ' ']).nth(2).unwrap();
        let length = if status == "304" { "Content-Length: 99\r\n" } else { "" };
        format!("HTTP/1.1 {status} X\r\n{length}ETag: \"a\"\r\n\r\n").into()
    });
    let proxy = Setup::new().one_core().before(&upstream);
    let mut client = proxy.connect();
    for status in [204, 304, 204] {
        let answer = client.get(&format!("/{status}"), &[]).answer();
        assert_eq!((answer.status, answer.header("etag")), (status, Some("\"a\"")));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(upstream.next().connection, 0);
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_is_relayed_so() {
    let upstream = Upstream::scripted(|_| b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello".to_vec());
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    let answer = client.get("/", &[]).answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!((answer.header("transfer-encoding"), answer.header("content-length")), (None, None));
    assert!(client.is_closed());
}

#[test]
fn an_http_1_0_upstream_is_understood() {
    let upstream = Upstream::scripted(|_| b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec());
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    for _ in 0..2 {
        let answer = client.get("/", &[]).answer();
        assert_eq!((answer.version.as_str(), answer.text().as_str()), ("HTTP/1.1", "hello"));
    }
}

#[test]
fn trailers_reach_a_client_that_takes_them_and_no_other() {
    let upstream = Upstream::scripted(|_| {
        let head = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}2\r\nhi\r\n0\r\nX-Sum: 7\r\nX-Unannounced: 8\r\n\r\n").into()
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    let answer = client.get("/", &["TE: trailers", "Connection: TE"]).answer();
    assert_eq!(answer.header("trailer"), Some("X-Sum"));
    assert_eq!((answer.text().as_str(), answer.trailers), ("hi", vec![("x-sum".to_owned(), "7".to_owned())]));
    let request = upstream.next();
    assert_eq!((request.header("te"), request.header("connection")), (Some("trailers"), Some("te")));
    let answer = client.get("/", &[]).answer();
    assert_eq!((answer.text().as_str(), answer.trailers, answer.is_whole), ("hi", vec![], true));
    assert_eq!(upstream.next().header("te"), None);
}

/// Regression: hyper asks for nothing after trailers, and so the answer was taken for one that nobody had wanted whole.
#[test]
fn an_answer_with_trailers_is_whole_and_its_connection_serves_again() {
    let upstream = Upstream::scripted(|_| {
        let head = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n").into()
    });
    let mut proxy = Setup::new().one_core().log("access = true").upstream("keep_alive = \"1m\"").before(&upstream);
    let mut client = proxy.connect();
    for fields in [&["TE: trailers", "Connection: TE"][..], &[], &["TE: trailers", "Connection: TE"], &[]] {
        assert!(client.get("/", fields).answer().is_whole);
        assert_eq!(upstream.next().connection, 0);
    }
    drop(client);
    proxy.stop();
    let lines = proxy.log.objects();
    assert!(lines.len() == 4 && lines.iter().all(|line| line.get("broken").is_none()), "{lines:?}");
}

#[test]
fn early_hints_are_swallowed_and_a_flood_of_them_is_no_answer() {
    let upstream = Upstream::scripted(|request| {
        let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
        if request.line().contains("/flood") {
            return hint.repeat(100_000);
        }
        [&hint[..], b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"].concat()
    });
    let proxy = Setup::new().upstream("head_timeout = \"300ms\"").before(&upstream);
    assert_eq!(proxy.connect().get("/", &[]).answer().text(), "ok");
    assert_eq!(proxy.connect().get("/flood", &[]).answer().status, 504);
}

#[test]
fn what_follows_an_answer_is_nobodys() {
    let upstream = Upstream::scripted(|request| match request.line() {
        "GET /first HTTP/1.1" => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".to_vec()
        }
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood".to_vec(),
    });
    let proxy = Setup::new().one_core().before(&upstream);
    let mut client = proxy.connect();
    assert_eq!(client.get("/first", &[]).answer().text(), "ok");
    assert_eq!(client.get("/second", &[]).answer().text(), "good");
    assert_eq!((upstream.next().connection, upstream.next().connection), (0, 1));
}

#[test]
fn an_answer_before_the_requests_end_is_passed_on() {
    // As a backend does that refuses an upload by its head: it answers, ends its side and does not read on.
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let head = crate::support::read_head(&mut stream, connection).unwrap();
        seen.send(head).unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // Held open until the proxy has closed.
        let _ = read_request(&mut stream, &mut Vec::new(), connection);
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 1000000\r\n\r\nbegun");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (413, "large"));
}

/// Regression: closed at once because nothing lay there at that moment, the connection answered what came next with a
/// reset, and clients lost what they had not read yet.
#[test]
fn an_early_answer_is_readable_however_slowly_the_rest_of_its_request_comes() {
    let refusing = Upstream::serving(|mut stream, connection, seen| {
        seen.send(read_head(&mut stream, connection).unwrap()).unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge").unwrap();
        let _ = read_body(&mut stream, usize::MAX);
    });
    let proxy = Setup::new().route("/user/*", "required").before(&refusing);
    for (path, status) in [("/", 413), ("/user/", 401), ("/.menshen/nothing", 404)] {
        let mut client = proxy.connect();
        client.send(format!("POST {path} HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 1000000\r\n\r\n"));
        assert_eq!(client.answer().status, status, "{path}");
        // It is closed, and yet what still comes is taken.
        assert!(client.is_closed(), "{path}");
        for _ in 0..50 {
            client.send([0; 1000]);
        }
    }
}

#[test]
fn our_own_answer_to_a_large_upload_is_readable_after_the_upload() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().route("/user/*", "required").before(&upstream);
    let mut client = proxy.connect();
    client.send("POST /user/ HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 8388608\r\n\r\n");
    // Without lingering, the system would answer what nobody reads with a reset, and the 401 would be lost.
    (0..128).for_each(|_| {
        client.send([0; 65536]);
    });
    assert_eq!(client.answer().status, 401);
    assert!(client.finish().is_closed());
    upstream.saw_nothing();
}
