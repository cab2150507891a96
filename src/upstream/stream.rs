//! A byte stream to an upstream: plain TCP, TLS over it, or a socket of this machine.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Whether it holds something back that the other end has no room for.
    is_full: Arc<AtomicBool>,
}

enum Kind {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn tcp(stream: TcpStream) -> Self {
        Stream::of(Kind::Tcp(stream))
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Stream::of(Kind::Tls(Box::new(stream)))
    }

    pub(super) fn unix(stream: UnixStream) -> Self {
        Stream::of(Kind::Unix(stream))
    }

    fn of(kind: Kind) -> Self {
        Stream { kind, next_words: None, is_full: Arc::default() }
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

    /// Says, for as long as the stream lives, whether the other end has no room for something that was to be written: what
    /// could not be written, or flushed, has not been since.
    pub(super) fn is_full(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_full)
    }

    fn noted<T>(&self, written: Poll<T>) -> Poll<T> {
        if written.is_pending() {
            self.is_full.store(true, Ordering::Relaxed);
        }
        written
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
        let this = self.get_mut();
        let written = of_any!(&mut this.kind, stream => Pin::new(stream).poll_write(cx, bytes));
        this.noted(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = of_any!(&mut this.kind, stream => Pin::new(stream).poll_flush(cx));
        if flushed.is_ready() && this.is_full.load(Ordering::Relaxed) {
            this.is_full.store(false, Ordering::Relaxed);
        }
        this.noted(flushed)
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
        let this = self.get_mut();
        let written = of_any!(&mut this.kind, stream => Pin::new(stream).poll_write_vectored(cx, slices));
        this.noted(written)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream as StdStream};
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn a_stream_is_full_until_what_it_held_back_is_flushed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let reader = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let mut stream = Stream::tcp(TcpStream::from_std(accepted).unwrap());
        let is_full = stream.is_full();
        stream.transport().unwrap().writable().await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut sent = 0;
        while let Poll::Ready(written) = Pin::new(&mut stream).poll_write(&mut cx, &[0; 65536]) {
            assert!(!is_full.load(Ordering::Relaxed));
            sent += written.unwrap();
        }
        assert!(is_full.load(Ordering::Relaxed));
        reader.take(sent as u64).read_to_end(&mut Vec::new()).unwrap();
        stream.transport().unwrap().writable().await.unwrap();
        assert!(is_full.load(Ordering::Relaxed), "nobody has written yet");
        assert!(Pin::new(&mut stream).poll_write(&mut cx, b"x").is_ready());
        assert!(Pin::new(&mut stream).poll_flush(&mut cx).is_ready());
        assert!(!is_full.load(Ordering::Relaxed));
    }
}
