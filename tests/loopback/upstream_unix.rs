//! Upstreams at a socket of this machine.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::channel;

use crate::support::{SITE, Setup};

#[test]
fn an_application_at_a_unix_socket_gets_requests_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mall.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (seen, received) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for _ in 0..2 {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            seen.send(String::from_utf8(head).unwrap()).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        }
    });
    let proxy = Setup::new().one_core().before_endpoint(format!("unix:{}", path.display()));
    let mut client = proxy.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/path", &[]).answer().text(), "hello");
        let head = received.recv().unwrap();
        assert!(head.starts_with("GET /path HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains(&format!("host: {SITE}\r\n")), "{head}");
    }
}

#[test]
fn a_socket_at_which_nobody_listens_is_502() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mall.sock");
    let proxy = Setup::new().before_endpoint(format!("unix:{}", path.display()));
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502, "nothing is there");
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(proxy.connect().get("/", &[]).answer().status, 502, "it was left behind");
}
