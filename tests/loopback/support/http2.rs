//! A client that speaks HTTP/2.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use super::PATIENCE;
use super::proxy::AROUND;

/// What is sent with a request.
pub type Sent = BoxBody<Bytes, std::convert::Infallible>;

/// One connection. Requests on it may be sent at once.
#[derive(Clone)]
pub struct Http2 {
    sender: SendRequest<Sent>,
    /// Whether the connection ended as it should, once it has.
    end: watch::Receiver<Option<bool>>,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Http2Answer {
    pub status: u16,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Http2 {
    /// Over TLS, to whoever proves to be `name`; HTTP/2 alone is asked for.
    pub fn secured(address: SocketAddr, name: &str, config: &ClientConfig) -> Self {
        let mut config = config.clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name.to_owned()).unwrap();
        wait(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            Self::over(stream).await
        })
    }

    /// In plain text, as whoever knows beforehand that it is spoken.
    pub fn plain(address: SocketAddr) -> Self {
        wait(async move { Self::over(TcpStream::connect(address).await.unwrap()).await })
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let (tell, end) = watch::channel(None);
        tokio::spawn(async move { tell.send(Some(connection.await.is_ok())) });
        Http2 { sender, end }
    }

    /// Sends a request, and reads its answer to the end.
    pub fn ask(&self, request: Request<Sent>) -> Result<Http2Answer, hyper::Error> {
        let client = self.clone();
        wait(async move { client.asked(request).await })
    }

    /// Sends a request, and waits for the head of its answer.
    pub async fn begun(mut self, request: Request<Sent>) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// As [`Http2::ask`], beside others.
    pub async fn asked(self, request: Request<Sent>) -> Result<Http2Answer, hyper::Error> {
        let (head, body) = self.begun(request).await?.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned();
        Ok(Http2Answer { status: head.status.as_u16(), body: collected.to_bytes(), trailers })
    }

    /// Waits for the connection's end; whether it was as it should be.
    pub fn ended(&self) -> bool {
        let mut end = self.end.clone();
        wait(async move { end.wait_for(Option::is_some).await.map(|end| *end) }).unwrap() == Some(true)
    }
}

/// No body, or this one.
pub fn sent(body: &'static str) -> Sent {
    Full::from(body).boxed()
}

/// A body whose length is not told beforehand.
pub fn streamed(pieces: &'static [&'static str], trailers: Option<HeaderMap>) -> Sent {
    let data = pieces.iter().map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())));
    let frames = data.chain(trailers.map(Frame::trailers)).map(Ok::<_, std::convert::Infallible>);
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>())))
}

/// A body that stays under way.
pub fn endless() -> Sent {
    BodyExt::boxed(StreamBody::new(futures_util::stream::pending()))
}

/// Runs something to its end, in the time that everything has.
pub fn wait<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    AROUND.block_on(async move { tokio::time::timeout(PATIENCE, future).await }).expect("it took too long")
}
