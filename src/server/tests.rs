//! One core with a handler of the test's own.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Handler, Limits, Listeners, Server, Settings};
use crate::http::forwarded::Client;
use crate::units::ByteSize;

/// Has nothing to say, and panics at `/panic`.
struct Panicky;

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

    async fn handle(&self, request: Request<Incoming>, _: &Client) -> Response<Nothing> {
        assert_ne!(request.uri().path(), "/panic", "as told by the test");
        Response::new(Nothing)
    }
}

fn ask(stream: &mut TcpStream, path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    let mut piece = [0; 4096];
    let length = stream.read(&mut piece).unwrap_or(0);
    String::from_utf8_lossy(&piece[..length]).into_owned()
}

#[test]
fn a_panic_that_nobody_caught_ends_one_connection_and_nothing_else() {
    let settings = Settings {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        cores: NonZeroUsize::new(1),
        drain: Duration::from_secs(1),
        limits: Limits {
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(10),
            header_bytes: ByteSize::kib(64),
            headers: 100,
            target_bytes: ByteSize::kib(32),
            connections: 2,
        },
    };
    let listeners = Listeners::bind(&settings.listen).unwrap();
    let server = Server::start(&settings, &listeners, || Panicky).unwrap();
    let connect = || TcpStream::connect(listeners.addresses()[0]).unwrap();
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
