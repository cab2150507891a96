//! One core with a handler of the test's own.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;
use tracing::subscriber::DefaultGuard;

use super::{Handler, Inherited, Limits, ListenAt, Listeners, Server, Settings, Terms};
use crate::http::peer::{Peer, Peers};
use crate::units::ByteSize;

/// Has nothing to say, and panics at `/panic`.
struct Panicky;

#[derive(Default)]
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

impl Handler for Panicky {
    type Body = Nothing;

    async fn handle(&self, request: Request<Incoming>, _: &Peer) -> Response<Nothing> {
        assert_ne!(request.uri().path(), "/panic", "as told by the test");
        Response::new(Nothing)
    }

    fn unreadable(&self) {}
}

fn ask(stream: &mut TcpStream, path: &str) -> String {
    // Whoever is turned away may find out while writing.
    if stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).is_err() {
        return String::new();
    }
    answer(stream)
}

fn answer(stream: &mut TcpStream) -> String {
    let mut piece = [0; 4096];
    let length = stream.read(&mut piece).unwrap_or(0);
    String::from_utf8_lossy(&piece[..length]).into_owned()
}

/// Answers everything, and has what its core tells written down.
struct Overheard {
    _listening: DefaultGuard,
}

impl Handler for Overheard {
    type Body = Nothing;

    async fn handle(&self, _: Request<Incoming>, _: &Peer) -> Response<Nothing> {
        Response::new(Nothing)
    }

    fn unreadable(&self) {}
}

#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One core with room for this many connections.
pub(super) fn settings(connections: usize) -> Settings {
    Settings {
        listen: vec![ListenAt::Address("127.0.0.1:0".parse().unwrap())],
        listen_tls: Vec::new(),
        socket_mode: 0o660,
        cores: NonZeroUsize::new(1),
        drain: Duration::from_secs(1),
        balancers: Peers::default(),
        limits: Limits {
            requests: None,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(10),
            header_bytes: ByteSize::kib(64),
            headers: 100,
            target_bytes: ByteSize::kib(32),
            streams: 100,
            speaks_h2c: false,
            connections,
            connections_per_address: connections + 1,
            proxies: Peers::default(),
        },
    }
}

fn terms(limits: &Limits) -> Terms {
    Terms { limits: Arc::new(limits.clone()), balancers: Arc::default(), tls: None }
}

#[test]
fn a_panic_that_nobody_caught_ends_one_connection_and_nothing_else() {
    let settings = settings(2);
    let listeners = Listeners::bind(&settings, Inherited::default()).unwrap();
    let server = Server::start(&settings, &listeners, &terms(&settings.limits), || Panicky).unwrap();
    let connect = || TcpStream::connect(listeners.places()[0].0.address().unwrap()).unwrap();
    let mut bystander = connect();
    assert!(ask(&mut bystander, "/").starts_with("HTTP/1.1 200"));
    // More panics than there is room for connections: each gives its place back.
    for _ in 0..4 {
        assert_eq!(ask(&mut connect(), "/panic"), "");
    }
    assert!(ask(&mut bystander, "/").starts_with("HTTP/1.1 200"));
    assert!(ask(&mut connect(), "/").starts_with("HTTP/1.1 200"));
    drop(bystander);
    server.drain();
}

/// A server that writes down what it tells operators who look closely, and what it has told so far.
fn overheard(settings: &Settings) -> (Server<Overheard>, SocketAddr, Written) {
    let listeners = Listeners::bind(settings, Inherited::default()).unwrap();
    let written = Written::default();
    let writer = written.clone();
    let overhear = move || {
        let writer = writer.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::DEBUG);
        let lines = lines.with_writer(move || writer.clone()).finish();
        Overheard { _listening: tracing::subscriber::set_default(lines) }
    };
    let server = Server::start(settings, &listeners, &terms(&settings.limits), overhear).unwrap();
    let address = listeners.places()[0].0.address().unwrap();
    (server, address, written)
}

impl Written {
    fn count(&self, words: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(words).count()
    }

    /// Waits until so many idle connections have had everything taken but their sockets.
    fn at_rest(&self, count: usize) {
        let began = Instant::now();
        while self.count("nothing but its socket") < count {
            assert!(began.elapsed() < Duration::from_secs(10), "{self:?}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn an_idle_connection_of_which_its_socket_alone_is_kept_is_served_again() {
    let (server, address, written) = overheard(&settings(1));
    let mut client = TcpStream::connect(address).unwrap();
    for turn in 1..4 {
        assert!(ask(&mut client, "/").starts_with("HTTP/1.1 200"));
        written.at_rest(turn);
    }
    // The beginning of a next request that came with one is kept as well.
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT").unwrap();
    assert!(answer(&mut client).starts_with("HTTP/1.1 200"));
    written.at_rest(4);
    client.write_all(b"TP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(answer(&mut client).starts_with("HTTP/1.1 200"));
    drop(client);
    server.drain();
}

#[test]
fn an_idle_connection_of_which_its_socket_alone_is_kept_ends_like_any_other() {
    let mut settings = settings(1);
    settings.limits.keep_alive = Duration::from_millis(500);
    let (server, address, written) = overheard(&settings);
    let mut client = TcpStream::connect(address).unwrap();
    assert!(ask(&mut client, "/").starts_with("HTTP/1.1 200"));
    written.at_rest(1);
    assert_eq!(answer(&mut client), "", "closed, its time being over");
    server.drain();
}

/// Regression: taken up when the draining began, it went back to rest at once, over and over.
#[test]
fn an_idle_connection_of_which_its_socket_alone_is_kept_does_not_keep_a_server_that_goes_down() {
    let settings = settings(2);
    let (server, address, written) = overheard(&settings);
    let (mut client, mut careless) = (TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap());
    assert!(ask(&mut client, "/").starts_with("HTTP/1.1 200"));
    // A line end too many belongs to nothing, and keeps nothing.
    careless.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n").unwrap();
    assert!(answer(&mut careless).starts_with("HTTP/1.1 200"));
    written.at_rest(2);
    let began = Instant::now();
    server.drain();
    assert!(began.elapsed() < settings.drain, "{:?}", began.elapsed());
    assert_eq!((answer(&mut client), answer(&mut careless)), (String::new(), String::new()));
    assert_eq!(written.count("nothing but its socket"), 2, "{written:?}");
}

#[test]
fn a_connection_beyond_the_limit_is_turned_away_and_the_limit_is_named() {
    let settings = settings(1);
    let listeners = Listeners::bind(&settings, Inherited::default()).unwrap();
    let written = Written::default();
    let writer = written.clone();
    let overhear = move || {
        let writer = writer.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        Overheard { _listening: tracing::subscriber::set_default(lines) }
    };
    let server = Server::start(&settings, &listeners, &terms(&settings.limits), overhear).unwrap();
    let connect = || TcpStream::connect(listeners.places()[0].0.address().unwrap()).unwrap();
    let mut first = connect();
    assert!(ask(&mut first, "/").starts_with("HTTP/1.1 200"));
    assert_eq!(ask(&mut connect(), "/"), "");
    let told = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let named = |line: &str| line.contains("WARN") && line.contains("limits.connections is reached");
    assert!(told.lines().any(named), "{told}");
    drop(first);
    server.drain();
}

/// Says its number, and waits until the test lets it at `/slow`.
struct Numbered(u8, Arc<tokio::sync::Notify>);

impl Handler for Numbered {
    type Body = Nothing;

    async fn handle(&self, request: Request<Incoming>, _: &Peer) -> Response<Nothing> {
        if request.uri().path() == "/slow" {
            self.1.notified().await;
        }
        Response::builder().header("number", u16::from(self.0)).body(Nothing).unwrap()
    }

    fn unreadable(&self) {}
}

#[test]
fn another_handler_takes_over_on_open_connections_and_what_is_under_way_ends_as_it_began() {
    let settings = settings(10);
    let listeners = Listeners::bind(&settings, Inherited::default()).unwrap();
    let go = Arc::new(tokio::sync::Notify::new());
    let numbered = |number| {
        let go = Arc::clone(&go);
        move || Numbered(number, Arc::clone(&go))
    };
    let server = Server::start(&settings, &listeners, &terms(&settings.limits), numbered(1)).unwrap();
    let connect = || TcpStream::connect(listeners.places()[0].0.address().unwrap()).unwrap();
    let (mut open, mut busy) = (connect(), connect());
    assert!(ask(&mut open, "/").contains("number: 1"));
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    // Answered behind the slow one's arrival on the same core: it is under way by then.
    assert!(ask(&mut open, "/").contains("number: 1"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = Limits { connections: 2, ..settings.limits.clone() };
    runtime.block_on(server.exchange(numbered(2), &terms(&limits))).unwrap();
    assert!(ask(&mut open, "/").contains("number: 2"));
    assert_eq!(ask(&mut connect(), "/"), "", "the new limit holds");
    go.notify_one();
    let mut piece = [0; 4096];
    let length = busy.read(&mut piece).unwrap();
    assert!(String::from_utf8_lossy(&piece[..length]).contains("number: 1"));
    assert!(ask(&mut busy, "/").contains("number: 2"));
    drop((open, busy));
    server.drain();
}

/// Hangs at `/hang` until the test lets it, with its whole core.
struct Hanging(Arc<Mutex<std::sync::mpsc::Receiver<()>>>);

impl Handler for Hanging {
    type Body = Nothing;

    async fn handle(&self, request: Request<Incoming>, _: &Peer) -> Response<Nothing> {
        if request.uri().path() == "/hang" {
            self.0.lock().unwrap().recv().unwrap();
        }
        Response::new(Nothing)
    }

    fn unreadable(&self) {}
}

#[test]
fn a_core_that_hangs_does_not_answer_and_does_again_once_it_goes_on() {
    let settings = settings(10);
    let listeners = Listeners::bind(&settings, Inherited::default()).unwrap();
    let (go, told) = std::sync::mpsc::channel();
    let told = Arc::new(Mutex::new(told));
    let hanging = move || Hanging(Arc::clone(&told));
    let server = Server::start(&settings, &listeners, &terms(&settings.limits), hanging).unwrap();
    let mut client = TcpStream::connect(listeners.places()[0].0.address().unwrap()).unwrap();
    assert!(ask(&mut client, "/").starts_with("HTTP/1.1 200"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(server.answers()).unwrap();
    client.write_all(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    // It hangs as soon as it has read that.
    let hangs = || {
        let answered = async { tokio::time::timeout(Duration::from_millis(50), server.answers()).await };
        runtime.block_on(answered).is_err()
    };
    assert!((0..200).any(|_| hangs()), "it goes on answering");
    go.send(()).unwrap();
    runtime.block_on(server.answers()).unwrap();
    drop(client);
    server.drain();
    assert!(runtime.block_on(server.answers()).is_err(), "nobody is left");
}
