//! A client's byte stream: plain, or TLS, and what was read of it to find out what it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::transport::Transport;

/// A client's byte stream.
pub(super) struct Socket {
    /// Read already, and not yet by whoever speaks with the client.
    read_ahead: Bytes,
    stream: Stream,
}

enum Stream {
    Plain(Transport),
    Tls(Box<TlsStream<Transport>>),
}

impl Socket {
    /// Plain, of which these bytes have been read.
    pub(super) fn plain(stream: Transport, read_ahead: Bytes) -> Self {
        Socket { read_ahead, stream: Stream::Plain(stream) }
    }

    /// TLS, after its handshake.
    pub(super) fn tls(stream: TlsStream<Transport>) -> Self {
        Socket { read_ahead: Bytes::new(), stream: Stream::Tls(Box::new(stream)) }
    }

    /// Gives back what was read and not used, after everything else has been read.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        self.read_ahead = Bytes::copy_from_slice(bytes);
    }

    /// Whether whatever there is to read lies with the system: of TLS some of it may have come with the handshake.
    pub(super) fn is_bare(&self) -> bool {
        self.read_ahead.is_empty() && matches!(self.stream, Stream::Plain(_))
    }

    /// What carries the bytes, whatever is said on top of it.
    pub(super) fn transport(&self) -> &Transport {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    /// As [`Socket::transport`]. What is read there is lost to the other side.
    pub(super) fn transport_mut(&mut self) -> &mut Transport {
        match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_mut().0,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.read_ahead.is_empty() {
            into.put_slice(&this.read_ahead.split_to(this.read_ahead.len().min(into.remaining())));
            return Poll::Ready(Ok(()));
        }
        match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}
