//! Bodies flow: nothing is collected, nobody waits for what is still to come, and whoever leaves is noticed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use crate::support::{Setup, Upstream, read_body, read_head};

const MIB: usize = 1024 * 1024;

/// A large file.
const LARGE: usize = 64 * MIB;

/// More than the system buffers on the way, both sockets of the proxy together.
const ENDLESS: usize = 256 * MIB;

/// Takes in `length` bytes and keeps none.
fn swallow(stream: &mut TcpStream, length: usize) -> usize {
    let mut piece = vec![0; MIB];
    let mut taken = 0;
    while taken < length {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => taken += count,
        }
    }
    taken
}

/// Writes until nobody has taken a byte for a while; how much went.
fn write_until_stuck(stream: &mut TcpStream, most: usize) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let piece = vec![0; MIB];
    let mut written = 0;
    while written < most {
        match stream.write(&piece) {
            Ok(count) => written += count,
            Err(_) => break,
        }
    }
    written
}

#[test]
fn each_event_arrives_before_the_next_is_sent() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let request = read_head(&mut stream, connection).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        for event in 0..3 {
            stream.write_all(format!("9\r\ndata: {event}\n\n\r\n").as_bytes()).unwrap();
            // The client says, by one byte of its request's body, that the event is there.
            assert_eq!(read_body(&mut stream, 1).len(), 1);
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: 3\r\n\r\n");
    client.until(b"\r\n\r\n");
    for event in 0..3 {
        assert_eq!(client.until(b"\n\n\r\n"), format!("9\r\ndata: {event}\n\n\r\n").as_bytes());
        client.send("x");
    }
    assert_eq!(client.until(b"0\r\n\r\n"), b"0\r\n\r\n");
    upstream.next();
}

#[test]
fn a_large_upload_passes_whole() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        request.body = swallow(&mut stream, LARGE).to_string().into();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: {LARGE}\r\n\r\n"));
    let piece = vec![0; MIB];
    (0..LARGE / MIB).for_each(|_| {
        client.send(&piece);
    });
    assert_eq!(client.answer().text(), "ok");
    assert_eq!(upstream.next().body, LARGE.to_string().as_bytes());
}

#[test]
fn a_large_download_passes_whole() {
    let upstream = Upstream::serving(|mut stream, connection, _| {
        read_head(&mut stream, connection).unwrap();
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").as_bytes()).unwrap();
        let piece = vec![0; MIB];
        (0..LARGE / MIB).for_each(|_| stream.write_all(&piece).unwrap());
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.get("/", &[]).until(b"\r\n\r\n");
    assert_eq!(client.swallow(LARGE), LARGE);
}

#[test]
fn a_client_that_does_not_read_stops_the_upstream_instead_of_filling_memory() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n").as_bytes()).unwrap();
        request.body = write_until_stuck(&mut stream, ENDLESS).to_string().into();
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.get("/", &[]);
    let written: usize = String::from_utf8(upstream.next().body).unwrap().parse().unwrap();
    assert!(written < ENDLESS / 2, "{written} bytes are somewhere");
}

#[test]
fn an_upstream_that_does_not_read_stops_the_client_instead_of_filling_memory() {
    let (finish, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::serving(move |mut stream, connection, seen| {
        seen.send(read_head(&mut stream, connection).unwrap()).unwrap();
        // Open and unread until the test is over.
        let _ = wait.lock().unwrap().recv();
        drop(stream);
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: www.meiduo.site\r\nContent-Length: {ENDLESS}\r\n\r\n"));
    upstream.next();
    let written = write_until_stuck(client.stream(), ENDLESS);
    assert!(written < ENDLESS / 2, "{written} bytes are somewhere");
    drop(finish);
}

#[test]
fn a_client_that_leaves_before_its_answer_is_hung_up_for_upstream() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        seen.send(request.clone()).unwrap();
        request.body = read_body(&mut stream, 1);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.get("/slow", &[]);
    upstream.next();
    drop(client);
    assert!(upstream.next().body.is_empty(), "its connection was closed");
}

/// Regression: bytes that nobody had asked for yet kept their client's end from being noticed, and the upstream worked on
/// for whoever had long left.
#[test]
fn a_client_that_leaves_behind_unread_bytes_is_hung_up_for_upstream() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        seen.send(request.clone()).unwrap();
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        assert_eq!(read_body(&mut stream, length).len(), length);
        request.body = read_body(&mut stream, 1);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    for (method, fields, rest) in [
        ("GET", "", "G"),
        ("GET", "", "\r\n"),
        ("GET", "", "GET /next HTTP/1.1\r\nHost: www.meiduo.site\r\n\r\n"),
        ("POST", "Content-Length: 3\r\n", "a=b\r\n"),
    ] {
        let mut client = proxy.connect();
        client.send(format!("{method} /slow HTTP/1.1\r\nHost: www.meiduo.site\r\n{fields}\r\n{rest}"));
        upstream.next();
        drop(client);
        assert!(upstream.next().body.is_empty(), "{method} {rest:?}: its connection was closed");
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_answer_is_hung_up_for_upstream() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").unwrap();
        request.body = read_body(&mut stream, 1);
        seen.send(request).unwrap();
    });
    let proxy = Setup::new().before(&upstream);
    let mut client = proxy.connect();
    client.get("/events", &[]).until(b"hi\r\n");
    drop(client);
    assert!(upstream.next().body.is_empty(), "its connection was closed");
}
