//! An application that speaks HTTP/2, or whatever TLS lets it agree on.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::PATIENCE;
use super::http2::{Sent, wait};
use super::proxy::AROUND;

/// A request's head as it arrived, and on which connection, counted from 0.
#[derive(Debug)]
pub struct Arrived {
    pub head: Parts,
    pub connection: usize,
}

/// An application that speaks HTTP/2.
pub struct Http2Upstream {
    pub address: SocketAddr,
    arrived: Mutex<Receiver<Arrived>>,
    connections: Arc<AtomicUsize>,
    open: watch::Sender<usize>,
    going: watch::Sender<usize>,
}

/// How it listens.
#[derive(Clone)]
pub struct Manner {
    pub tls: Option<Arc<ServerConfig>>,
    /// Requests at once on one connection.
    pub streams: u32,
}

impl Manner {
    /// In plain text, from the first byte.
    pub fn plain() -> Self {
        Manner { tls: None, streams: 1000 }
    }

    /// Over TLS.
    pub fn secured(config: ServerConfig) -> Self {
        Manner { tls: Some(Arc::new(config)), streams: 1000 }
    }
}

impl Http2Upstream {
    /// Answers every request with `hello`, once it has read its body.
    pub fn hello(manner: Manner) -> Self {
        Self::serving(manner, |request| async {
            request.into_body().collect().await?;
            Ok(Response::new(Full::from("hello").boxed()))
        })
    }

    /// Answers every request as `handler` does. An error resets the request's stream.
    pub fn serving<F>(manner: Manner, handler: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Response<Sent>, hyper::Error>> + Send + 'static,
    {
        Self::serving_at(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), manner, handler)
    }

    /// As [`Http2Upstream::serving`], where a test listens already.
    pub fn serving_at<F>(
        listener: std::net::TcpListener,
        manner: Manner,
        handler: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response<Sent>, hyper::Error>> + Send + 'static,
    {
        listener.set_nonblocking(true).unwrap();
        let listener = AROUND.block_on(async { TcpListener::from_std(listener) }).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, arrived) = channel();
        let (connections, open) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(0));
        let (going, gone) = watch::channel(0);
        let (counted, opened) = (Arc::clone(&connections), open.clone());
        AROUND.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = counted.fetch_add(1, Ordering::SeqCst);
                opened.send_modify(|open| *open += 1);
                let (manner, tell, handler) = (manner.clone(), tell.clone(), handler.clone());
                let (opened, gone) = (opened.clone(), gone.clone());
                tokio::spawn(async move {
                    let speak = Speak { tell, connection, handler, streams: manner.streams, gone };
                    match manner.tell_tls() {
                        None => speak.http2(stream).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                match stream.get_ref().1.alpn_protocol() {
                                    Some(b"h2") => speak.http2(stream).await,
                                    _ => speak.http1(stream).await,
                                }
                            }
                        }
                    }
                    opened.send_modify(|open| *open -= 1);
                });
            }
        });
        Http2Upstream { address, arrived: Mutex::new(arrived), connections, open, going }
    }

    /// The next request that arrived.
    pub fn next(&self) -> Arrived {
        self.arrived.lock().unwrap().recv_timeout(PATIENCE).expect("nothing arrived")
    }

    /// That nothing arrived that was not asked for yet.
    pub fn saw_nothing(&self) {
        let arrived = self.arrived.lock().unwrap().try_recv();
        assert!(arrived.is_err(), "{arrived:?}");
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until there are so many.
    pub fn until_open(&self, count: usize) {
        let mut open = self.open.subscribe();
        wait(async move { open.wait_for(|open| *open == count).await.map(drop) }).unwrap();
    }

    /// Says on every connection that it takes no more requests there.
    pub fn go_away(&self) {
        self.going.send_modify(|times| *times += 1);
    }
}

impl Manner {
    fn tell_tls(&self) -> Option<TlsAcceptor> {
        self.tls.clone().map(TlsAcceptor::from)
    }
}

/// One connection's part.
struct Speak<H> {
    tell: Sender<Arrived>,
    connection: usize,
    handler: H,
    streams: u32,
    gone: watch::Receiver<usize>,
}

impl<H, F> Speak<H>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Sent>, hyper::Error>> + Send + 'static,
{
    async fn http2(mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        self.gone.mark_unchanged();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(self.streams);
        let service = service_fn(|request| self.noted(request));
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut gone = self.gone.clone();
        tokio::select! {
            _ = connection.as_mut() => {}
            _ = gone.changed() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }

    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(|request| self.noted(request));
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    }

    fn noted(&self, request: Request<Incoming>) -> F {
        let (head, body) = request.into_parts();
        let mut seen = Request::new(());
        (*seen.method_mut(), *seen.uri_mut(), *seen.version_mut()) =
            (head.method.clone(), head.uri.clone(), head.version);
        *seen.headers_mut() = head.headers.clone();
        // The test may have ended.
        let _ = self.tell.send(Arrived { head: seen.into_parts().0, connection: self.connection });
        (self.handler)(Request::from_parts(head, body))
    }
}

/// An answer with this body.
pub fn answer(body: impl Into<Bytes>) -> Response<Sent> {
    Response::new(Full::from(body.into()).map_err(|error: Infallible| match error {}).boxed())
}
