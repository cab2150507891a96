//! The end of a process, in its order: nobody new, logins that are half done, the store, then whatever is still open.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use menshen::demo::qq::{Effect, Endpoint, Switch, WireFault};
use menshen::store::Store;
use menshen::store::sled::SledStore;

use crate::support::{PAGE, Setup, Upstream, eventually, read_head, read_request, wait};

const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const UPGRADE: [&str; 2] = ["Connection: upgrade", "Upgrade: websocket"];

/// `going away`, as a server says it and as a client does (RFC 6455, 5.5.1 and 7.4.1).
const FROM_SERVER: [u8; 4] = [0x88, 2, 0x03, 0xe9];
const FROM_CLIENT: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9];

#[test]
fn websockets_are_told_that_we_go_away_and_hold_up_nothing() {
    let upstream = Upstream::serving(|mut stream, connection, seen| {
        let mut request = read_head(&mut stream, connection).unwrap();
        seen.send(request.clone()).unwrap();
        // A whole frame behind the switch: the next one may be ours.
        stream.write_all(&[SWITCHED, &[0x81, 2, b'h', b'i']].concat()).unwrap();
        stream.read_to_end(&mut request.body).unwrap();
        seen.send(request).unwrap();
    });
    let mut proxy = Setup::new().server_drain("1h").before(&upstream);
    let mut client = proxy.connect();
    client.get("/ws", &UPGRADE).until(&[0x81, 2, b'h', b'i']);
    upstream.next();
    proxy.stop();
    assert_eq!(client.until_closed().rest(), FROM_SERVER);
    assert_eq!(upstream.next().body, FROM_CLIENT);
}

/// Regression: where a connection's first bytes say what is spoken on it, an answer of ours was given before anybody had
/// looked whether it is the last.
#[test]
fn a_first_request_that_comes_while_we_go_down_is_told_that_it_is_the_last() {
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let upstream = Upstream::serving(move |mut stream, connection, seen| {
        if let Some(request) = read_request(&mut stream, &mut Vec::new(), connection) {
            seen.send(request).unwrap();
            told.lock().unwrap().recv().unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
    });
    let mut proxy = Setup::new().one_core().server("h2c = true").server_drain("1h").before(&upstream);
    let (mut held, mut fresh) = (proxy.connect(), proxy.connect());
    held.get("/held", &[]);
    upstream.next();
    let (address, stop) = (proxy.address, proxy.stopping());
    thread::scope(|scope| {
        scope.spawn(stop);
        eventually(|| TcpStream::connect(address).is_err());
        let answer = fresh.get("/.menshen/health", &[]).answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        go_on.send(()).unwrap();
        assert_eq!(held.answer().text(), "ok");
    });
}

#[test]
fn in_the_middle_of_a_frame_nothing_is_said() {
    let upstream = Upstream::serving(|mut stream, connection, _| {
        read_head(&mut stream, connection).unwrap();
        stream.write_all(&[SWITCHED, &[0x81, 5, b'y', b'o']].concat()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut proxy = Setup::new().server_drain("1h").before(&upstream);
    let mut client = proxy.connect();
    client.get("/ws", &UPGRADE).until(b"yo");
    proxy.stop();
    assert_eq!(client.until_closed().rest(), b"");
}

#[test]
fn the_store_is_free_for_a_successor_while_a_download_goes_on() {
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let upstream = Upstream::serving(move |mut stream, connection, _| {
        if read_request(&mut stream, &mut Vec::new(), connection).is_some() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe").unwrap();
            told.lock().unwrap().recv().unwrap();
            stream.write_all(b"en").unwrap();
        }
    });
    let mut proxy = Setup::new().server_drain("1h").before(&upstream);
    let mut client = proxy.connect();
    client.get("/download", &[]).until(b"be");
    let settings = proxy.store_settings();
    let stop = proxy.stopping();
    thread::scope(|scope| {
        let stopped = scope.spawn(stop);
        let store = (0..1000).find_map(|_| {
            thread::sleep(std::time::Duration::from_millis(10));
            SledStore::open(&settings).ok()
        });
        let store = store.expect("the store is not free");
        assert!(!stopped.is_finished(), "the download goes on");
        go_on.send(()).unwrap();
        stopped.join().unwrap();
        wait(async move { store.close().await });
    });
    assert_eq!(client.until_closed().rest(), b"en", "and is whole");
}

#[test]
fn a_login_that_is_half_done_ends_and_is_on_disk() {
    let upstream = Upstream::hello();
    let mut proxy = Setup::new().server_drain("1m").before(&upstream);
    let browser = proxy.browser();
    let (callback, mut client) = (browser.begin_login("/", "10001"), proxy.connect());
    let cookies = browser.cookie_header().unwrap();
    proxy.qq.set(Switch::once(Endpoint::Token, Effect::Wire(WireFault::Hold)));
    client.get(&callback, &[PAGE, &format!("Cookie: {cookies}")]);
    proxy.qq_asked(Endpoint::Token, 1);
    let (stop, address) = (proxy.stopping(), proxy.address);
    thread::scope(|scope| {
        let stopped = scope.spawn(stop);
        eventually(|| TcpStream::connect(address).is_err());
        proxy.qq.release();
        stopped.join().unwrap();
    });
    let answer = client.answer();
    assert_eq!((answer.status, answer.cookie("menshen_session=").is_some()), (303, true));
    assert_eq!(proxy.bindings().len(), 1);
}
