//! A client's socket, with the patience we have for it.
//!
//! hyper arms its own head timer before the first byte, so that it would be the idle timeout too. Here the head timer
//! runs from a head's first byte, the keep-alive timer between requests, and a timer of its own watches a client that
//! does not read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Limits;
use super::activity::{Activity, Phase};
use crate::http::idle::IdleLimit;

/// How long a client may leave an answer unread before it is given up.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// The socket of one client.
pub(super) struct ClientIo {
    stream: TokioIo<TcpStream>,
    activity: Activity,
    head_timeout: Duration,
    keep_alive: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    unread: IdleLimit,
}

impl ClientIo {
    pub(super) fn new(stream: TcpStream, activity: Activity, limits: &Limits) -> Self {
        ClientIo {
            stream: TokioIo::new(stream),
            activity,
            head_timeout: limits.head_timeout,
            keep_alive: limits.keep_alive,
            timer: None,
            unread: IdleLimit::new(UNREAD_TIMEOUT),
        }
    }

    /// Ready once the client has used up its time. The timer is set once and looked at again when it fires, so that a
    /// busy connection does not set one for each request.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let (phase, since) = self.activity.phase();
            let (deadline, why) = match phase {
                Phase::Busy => return Poll::Pending,
                Phase::Idle => (since + self.keep_alive, "idle for too long"),
                Phase::Head => (since + self.head_timeout, "the request's head took too long"),
            };
            if deadline <= Instant::now() {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() > deadline || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }

    fn poll_written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.unread.heard();
            return written;
        }
        ready!(self.unread.poll_silence(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl Read for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(result) => {
                // The end of the stream counts as a head as well: nothing follows that the timer could end.
                if self.activity.phase().0 == Phase::Idle {
                    self.activity.enter(Phase::Head);
                }
                Poll::Ready(result)
            }
            Poll::Pending => Poll::Ready(Err(ready!(self.poll_patience(cx)))),
        }
    }
}

impl Write for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.poll_written(cx, written)
    }
}
