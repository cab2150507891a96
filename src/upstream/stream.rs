//! A byte stream to an upstream: plain TCP, TLS over it, or a socket of this machine.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A byte stream to an upstream.
pub(super) struct Stream {
    kind: Kind,
    /// Woken by what is read, where somebody asked for it.
    next_words: Option<Arc<AtomicWaker>>,
}

enum Kind {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn tcp(stream: TcpStream) -> Self {
        Stream { kind: Kind::Tcp(stream), next_words: None }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Stream { kind: Kind::Tls(Box::new(stream)), next_words: None }
    }

    pub(super) fn unix(stream: UnixStream) -> Self {
        Stream { kind: Kind::Unix(stream), next_words: None }
    }

    /// What carries the bytes to another machine.
    pub(super) fn transport(&self) -> Option<&TcpStream> {
        match &self.kind {
            Kind::Tcp(stream) => Some(stream),
            Kind::Tls(stream) => Some(stream.get_ref().0),
            Kind::Unix(_) => None,
        }
    }

    /// Wakes whoever waits for the other end to say something and does not read it.
    pub(super) fn next_words(&mut self) -> Arc<AtomicWaker> {
        Arc::clone(self.next_words.get_or_insert_default())
    }
}

/// The same call, whatever the stream is.
macro_rules! of_any {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Kind::Tcp($inner) => $call,
            Kind::Tls($inner) => $call,
            Kind::Unix($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (this, before) = (self.get_mut(), into.filled().len());
        ready!(of_any!(&mut this.kind, stream => Pin::new(stream).poll_read(cx, into)))?;
        if let Some(waiting) = this.next_words.as_ref().filter(|_| into.filled().len() > before) {
            waiting.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        of_any!(&mut self.get_mut().kind, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_any!(&mut self.get_mut().kind, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_any!(&mut self.get_mut().kind, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        of_any!(&self.kind, stream => stream.is_write_vectored())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        of_any!(&mut self.get_mut().kind, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }
}
