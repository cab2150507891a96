//! Kept connections to the upstream: when one serves again, and when it must not.

use std::io::Write;
use std::sync::{Mutex, mpsc};

use crate::support::{Setup, Upstream, nobody_listens, read_body, read_head, read_request};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_connection_serves_many_requests_of_many_clients() {
    let upstream = Upstream::hello();
    let proxy = Setup::new().one_core().upstream("keep_alive = \"1m\"").before(&upstream);
    for _ in 0..5 {
        proxy.connect().get("/", &[]).answer();
        let post = "POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 2\r\n\r\nhi";
        proxy.connect().send(post).answer();
        assert_eq!((upstream.next().connection, upstream.next().connection), (0, 0));
    }
}

#[test]
fn a_connection_is_closed_before_the_upstream_would() {
    for (ours, theirs) in
        [("0s", ""), ("1ms", ""), ("1m", "Keep-Alive: timeout=1\r\n"), ("1m", "Connection: close\r\n")]
    {
        let upstream = Upstream::serving(move |mut stream, connection, seen| {
            let mut request = read_request(&mut stream, &mut Vec::new(), connection).unwrap();
            seen.send(request.clone()).unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\n{theirs}Content-Length: 2\r\n\r\nok");
            stream.write_all(answer.as_bytes()).unwrap();
            request.body = read_body(&mut stream, 1);
            seen.send(request).unwrap();
        });
        let proxy = Setup::new().one_core().upstream(&format!("keep_alive = \"{ours}\"")).before(&upstream);
        let mut client = proxy.connect();
        assert_eq!(client.get("/", &[]).answer().text(), "ok");
        upstream.next();
        assert!(upstream.next().body.is_empty(), "the proxy closed it");
        assert_eq!(client.get("/", &[]).answer().text(), "ok", "the client's connection goes on");
        assert_eq!(upstream.next().connection, 1);
    }
}

#[test]
fn a_connection_that_the_upstream_has_closed_is_not_used_again() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = read_request(&mut stream, &mut Vec::new(), connection).unwrap();
        stream.write_all(OK).unwrap();
        drop(stream);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().one_core().upstream("keep_alive = \"1m\"").before(&upstream);
    let mut client = proxy.connect();
    for connection in 0..20 {
        let post = "POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(client.send(post).answer().text(), "ok");
        assert_eq!(upstream.next().connection, connection);
    }
}

#[test]
fn a_kept_connection_that_the_upstream_closes_is_closed_though_nobody_asks_for_anything() {
    let upstream = Upstream::serving(|mut stream, connection, _| {
        read_request(&mut stream, &mut Vec::new(), connection).unwrap();
        stream.write_all(OK).unwrap();
    });
    let proxy = Setup::new().monitored().upstream("keep_alive = \"10m\"").before(&upstream);
    assert_eq!(proxy.connect().get("/", &[]).answer().text(), "ok");
    proxy.until_metric("menshen_upstream_connections{upstream=\"mall\"} 0");
}

/// What comes on a kept connection unasked is nobody's answer, also if it comes late.
#[test]
fn what_an_upstream_says_unasked_on_a_kept_connection_ends_it() {
    let (answered, is_answered) = mpsc::channel();
    let is_answered = Mutex::new(is_answered);
    let upstream = Upstream::serving(move |mut stream, connection, seen| {
        let mut buffer = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut buffer, connection) {
            let is_first = request.line() == "GET /first HTTP/1.1";
            seen.send(request).unwrap();
            stream.write_all(OK).unwrap();
            if is_first {
                is_answered.lock().unwrap().recv().unwrap();
                stream.write_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 7\r\n\r\nforeign").unwrap();
            }
        }
    });
    let proxy = Setup::new().monitored().one_core().upstream("keep_alive = \"10m\"").before(&upstream);
    assert_eq!(proxy.connect().get("/first", &[]).answer().text(), "ok");
    answered.send(()).unwrap();
    proxy.until_metric("menshen_upstream_connections{upstream=\"mall\"} 0");
    let post = "POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(proxy.connect().send(post).answer().text(), "ok");
    assert_eq!([upstream.next().connection, upstream.next().connection], [0, 1]);
}

/// An application that answers before it has read everything, and a client that reads the answer when it has sent all.
#[test]
fn an_upload_goes_on_while_nobody_reads_the_answer() {
    const LARGE: usize = 8 << 20;
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        for _ in 0..2 {
            let mut request = read_head(&mut stream, connection).unwrap();
            let mut answering = stream.try_clone().unwrap();
            let answering = std::thread::spawn(move || {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
                answering.write_all(head.as_bytes()).unwrap();
                answering.write_all(&vec![b'a'; LARGE]).unwrap();
            });
            request.body = read_body(&mut stream, LARGE);
            seen.send(request).unwrap();
            answering.join().unwrap();
        }
    });
    let proxy = Setup::new().one_core().upstream("keep_alive = \"10m\"").before(&upstream);
    for _ in 0..2 {
        let mut client = proxy.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: {LARGE}\r\n\r\n"));
        client.send("u".repeat(LARGE));
        let seen = upstream.next();
        assert_eq!((seen.connection, seen.body.len()), (0, LARGE), "all of it has arrived, on the same connection");
        assert_eq!(client.answer().body.len(), LARGE);
    }
}

/// Keeps its first connection for one answer; at the second request it closes without a word, as a server does that
/// gave up waiting just as the request was on its way.
fn gives_up_its_first_connection() -> Upstream {
    Upstream::serving(|mut stream, connection, seen| {
        let mut buffer = Vec::new();
        for count in 0.. {
            let Some(request) = read_request(&mut stream, &mut buffer, connection) else { return };
            seen.send(request).unwrap();
            if connection == 0 && count == 1 {
                return;
            }
            stream.write_all(OK).unwrap();
        }
    })
}

#[test]
fn a_request_that_meets_the_end_of_a_kept_connection_is_sent_again_if_that_does_no_harm() {
    let upstream = gives_up_its_first_connection();
    let proxy = Setup::new().one_core().upstream("keep_alive = \"1m\"").before(&upstream);
    let mut client = proxy.connect();
    assert_eq!(client.get("/first", &[]).answer().status, 200);
    assert_eq!(client.get("/second", &["X-Kept: 1"]).answer().status, 200);
    let seen = [upstream.next(), upstream.next(), upstream.next()];
    assert_eq!(seen.clone().map(|request| request.connection), [0, 0, 1]);
    assert_eq!(seen[1].head, seen[2].head);
}

#[test]
fn a_request_that_may_have_done_something_is_never_sent_twice() {
    let upstream = gives_up_its_first_connection();
    let proxy = Setup::new().one_core().upstream("keep_alive = \"1m\"").before(&upstream);
    let mut client = proxy.connect();
    assert_eq!(client.get("/first", &[]).answer().status, 200);
    let post = "POST /pay HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.send(post).answer().status, 502);
    assert_eq!((upstream.next().connection, upstream.next().connection), (0, 0));
    upstream.saw_nothing();
}

#[test]
fn a_connection_with_a_broken_answer_or_a_broken_request_is_not_used_again() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        if request.line().starts_with("GET /cut") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n").unwrap();
        } else {
            stream.write_all(OK).unwrap();
        }
        seen.send(request).unwrap();
        read_body(&mut stream, usize::MAX);
    });
    let proxy = Setup::new().one_core().upstream("keep_alive = \"1m\"").before(&upstream);
    let mut client = proxy.connect();
    assert!(!client.get("/cut", &[]).until_closed().rest().ends_with(b"0\r\n\r\n"));
    upstream.next();
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 9\r\n\r\nbegun");
    assert_eq!((client.answer().status, upstream.next().connection), (200, 1));
    drop(client);
    assert_eq!((proxy.connect().get("/", &[]).answer().status, upstream.next().connection), (200, 2));
}

/// Regression: what a client sent as the rest of its body, its answer being there already, was the next request to an
/// upstream that had not waited for it; another client got the answer.
#[test]
fn a_connection_whose_answer_ended_before_its_request_is_not_used_again() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        // Takes whatever comes after a head for another one.
        while let Some(request) = read_head(&mut stream, connection) {
            seen.send(request).unwrap();
            if stream.write_all(OK).is_err() {
                return;
            }
        }
    });
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: www.meiduo.site\r\nX-Menshen-User: admin\r\n\r\n";
    for expect in ["", "Expect: 100-continue\r\n"] {
        let proxy = Setup::new().one_core().upstream("keep_alive = \"1m\"").before(&upstream);
        let mut client = proxy.connect();
        let length = smuggled.len();
        client.send(format!("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: {length}\r\n{expect}\r\n"));
        assert_eq!(client.answer().status, 200);
        let first = upstream.next().connection;
        client.try_send(smuggled);
        for _ in 0..3 {
            assert_eq!(proxy.connect().get("/victim", &[]).answer().status, 200);
            let seen = upstream.next();
            assert!(seen.line().starts_with("GET /victim ") && seen.connection != first, "{}", seen.head);
        }
    }
    upstream.saw_nothing();
}

#[test]
fn endpoints_take_turns_and_a_dead_one_is_passed_over() {
    let (first, second) = (Upstream::hello(), Upstream::hello());
    let dead = nobody_listens();
    let proxy = Setup::new().one_core().before_all(&[first.address(), dead, second.address()]);
    let mut client = proxy.connect();
    for _ in 0..9 {
        assert_eq!(client.get("/", &[]).answer().status, 200);
    }
    let counts = [&first, &second].map(|upstream| std::iter::from_fn(|| upstream.try_next()).count());
    assert_eq!(counts.iter().sum::<usize>(), 9);
    assert!(counts.iter().all(|count| *count >= 3), "{counts:?}");
}
