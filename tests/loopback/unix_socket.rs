//! A unix socket at which a proxy on this machine reaches us.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConnection, StreamOwned};
use tempfile::TempDir;

use crate::support::{Authority, PATIENCE, SITE, Setup, Upstream};

/// A place for a socket.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("menshen.sock")
    }

    /// A proxy that listens there, beside an address.
    fn setup(&self) -> Setup {
        Setup::new().server(&format!("listen = [\"127.0.0.1:0\", \"unix:{}\"]", self.path().display()))
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What is answered to these bytes and a request behind them, up to the connection's end.
    fn asked(&self, before: &str, fields: &str) -> String {
        ask(self.connect(), before, fields)
    }
}

fn ask(mut stream: impl Read + Write, before: &str, fields: &str) -> String {
    let request = format!("{before}GET / HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => answer,
    }
}

#[test]
fn who_comes_by_it_has_this_machines_address_and_is_not_believed_for_that() {
    let (place, upstream) = (Place::new(), Upstream::hello());
    let proxy = place.setup().server("trusted_proxies = [\"127.0.0.1\"]").before(&upstream);
    let told = "X-Forwarded-For: 203.0.113.9\r\n";
    assert!(place.asked("", told).ends_with("hello"));
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(proxy.connect().get("/", &[told.trim()]).answer().status, 200, "the address is there beside it");
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("203.0.113.9, 127.0.0.1"));
}

#[test]
fn where_unix_is_a_trusted_proxy_it_is_believed_and_nobody_else_is() {
    let (place, upstream) = (Place::new(), Upstream::hello());
    let proxy = place.setup().server("trusted_proxies = [\"unix\"]").before(&upstream);
    let told = "X-Forwarded-For: 203.0.113.9\r\n";
    assert!(place.asked("", told).ends_with("hello"));
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("203.0.113.9, 127.0.0.1"));
    proxy.connect().get("/", &[told.trim()]).answer();
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn a_balancer_says_whom_it_is_for_there_too() {
    let (place, upstream) = (Place::new(), Upstream::hello());
    let _proxy = place.setup().server("proxy_protocol = [\"unix\"]").before(&upstream);
    assert!(place.asked("PROXY TCP6 2001:db8::9 ::1 4711 80\r\n", "").ends_with("hello"));
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("2001:db8::9"));
    assert!(place.asked("PROXY UNKNOWN\r\n", "").ends_with("hello"));
    assert_eq!(upstream.next().header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(place.asked("", ""), "");
}

#[test]
fn a_trusted_proxy_may_hold_every_place_by_it_and_anybody_else_has_one_addresses_share() {
    let upstream = Upstream::hello();
    for (trusted, allowed) in [("unix", 6), ("127.0.0.1", 2)] {
        let place = Place::new();
        let setup = place.setup().section("[limits]\nconnections = 6\nconnections_per_address = 2");
        let _proxy = setup.server(&format!("trusted_proxies = [\"{trusted}\"]")).before(&upstream);
        let mut held = Vec::new();
        for _ in 0..allowed {
            let mut stream = place.connect();
            stream.write_all(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n").as_bytes()).unwrap();
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            held.push(stream);
        }
        let mut one_more = place.connect();
        let _ = one_more.write_all(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n").as_bytes());
        assert!(matches!(one_more.read(&mut [0; 1024]), Ok(0) | Err(_)), "{trusted}");
    }
}

#[test]
fn its_file_has_the_mode_that_is_set_and_goes_when_the_proxy_goes() {
    let (place, upstream) = (Place::new(), Upstream::hello());
    drop(std::os::unix::net::UnixListener::bind(place.path()).unwrap());
    let mut proxy = place.setup().server("socket_mode = \"0606\"").before(&upstream);
    assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o7777, 0o606);
    assert!(place.asked("", "").ends_with("hello"));
    proxy.stop();
    assert!(!place.path().exists());
}

#[test]
fn tls_is_spoken_by_it_where_it_is_listed_so() {
    let (place, authority, upstream) = (Place::new(), Authority::new(), Upstream::hello());
    authority.issue("site", &[SITE]);
    let setup = Setup::new().origin(&format!("https://{SITE}")).section(&authority.section(&["site"]));
    let _proxy = setup.server(&format!("listen_tls = [\"unix:{}\"]", place.path().display())).before(&upstream);
    let name = ServerName::try_from(SITE).unwrap();
    let tls = ClientConnection::new(authority.client(&[&TLS13]), name).unwrap();
    assert!(ask(StreamOwned::new(tls, place.connect()), "", "").ends_with("hello"));
    assert_eq!(upstream.next().header("x-forwarded-proto"), Some("https"));
    let plain = place.asked("", "");
    assert!(plain.starts_with("HTTP/1.1 400") && plain.contains("https"), "{plain}");
}

#[test]
fn a_client_that_leaves_takes_its_request_with_it() {
    let place = Place::new();
    let (told, gone) = std::sync::mpsc::channel();
    let upstream = Upstream::serving(move |mut stream, connection, seen| {
        let request = crate::support::read_head(&mut stream, connection).unwrap();
        seen.send(request).unwrap();
        // Nothing is answered: it ends when the proxy gives up.
        told.send(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_))).unwrap();
    });
    let _proxy = place.setup().before(&upstream);
    let mut stream = place.connect();
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n").as_bytes()).unwrap();
    upstream.next();
    stream.shutdown(Shutdown::Both).unwrap();
    assert!(gone.recv_timeout(PATIENCE).unwrap());
}
