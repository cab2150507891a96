//! A client's socket, with the patience we have for it.
//!
//! hyper arms its own head timer before the first byte, so that it would be the idle timeout too. Here the head timer
//! runs from a head's first byte (and to it, on a connection that has sent nothing yet), the keep-alive timer between
//! requests, and a timer of its own watches a client that does not read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::Limits;
use super::activity::{Activity, Phase};
use super::core::Connected;
use super::departure::Departure;
use super::socket::Socket;
use crate::http::idle::IdleLimit;
use crate::http::request_end::RequestEnd;

/// How long a client may leave an answer unread before it is given up.
pub(super) const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// After how long without a request a connection is kept by its socket alone. Most requests of a page come sooner, and whoever
/// reads it longer has no buffers lying about for the time.
const REST_AFTER: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(3) };

/// How long a client may take for what has not left us when its connection ends: up to 64 KiB, where TLS is spoken.
const LAST_BYTES: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5 * 60) };

/// How long to go on reading from a client that was answered in the middle of its request. Closed at once, the system
/// would answer the rest with a reset, at which clients throw the answer away unread (RFC 9112, 9.6).
const LINGER: Duration = Duration::from_secs(10);

/// How much is read then: a client that sends without end, as fast as it can, is not listened to for all that time.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// hyper closes after an answer whose request it could not read to its end at once. A connection that has idled for longer
/// is not closed for that.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The socket of one client.
pub(super) struct ClientIo {
    stream: TokioIo<Socket>,
    activity: Activity,
    request_end: RequestEnd,
    head_timeout: Duration,
    keep_alive: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    untaken: IdleLimit,
    /// Nothing more is written.
    is_ending: bool,
    departure: Departure,
    linger: Option<Pin<Box<Sleep>>>,
    lingered: usize,
    /// Since a head has begun to arrive: what hyper says of one that it refuses.
    has_answered: bool,
    /// Nothing has come for so long that nothing may be kept for it, as far as what is read goes.
    is_silent: bool,
    /// Held until the socket is closed, which for an upgraded connection is long after HTTP has ended.
    _connected: Connected,
}

impl ClientIo {
    pub(super) fn new(
        socket: Socket,
        activity: Activity,
        request_end: RequestEnd,
        limits: &Limits,
        connected: Connected,
    ) -> Self {
        ClientIo {
            stream: TokioIo::new(socket),
            activity,
            request_end,
            head_timeout: limits.head_timeout,
            keep_alive: limits.keep_alive,
            timer: None,
            untaken: IdleLimit::new(UNREAD_TIMEOUT),
            is_ending: false,
            departure: Departure::default(),
            linger: None,
            lingered: 0,
            has_answered: false,
            is_silent: false,
            _connected: connected,
        }
    }

    /// Ready once the client has used up its time. The timer is set once and looked at again when it fires, so that a
    /// busy connection does not set one for each request.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let (phase, since) = self.activity.phase();
            let limit = match phase {
                Phase::Upgraded => return Poll::Pending,
                // A browser that connects ahead of time may wait, but not for long: silent connections take others' places.
                Phase::Fresh => Some((since + self.head_timeout.min(self.keep_alive), "nothing was sent")),
                Phase::Head => Some((since + self.head_timeout, "the request's head took too long")),
                // Where many requests share it, it is closed with a word (`http2`).
                Phase::Idle if self.activity.is_multiplexed() => None,
                Phase::Idle if !self.untaken.is_running() => Some((since + self.keep_alive, "idle for too long")),
                Phase::Idle | Phase::Busy => None,
            };
            let now = Instant::now();
            if let Some((deadline, why)) = limit
                && deadline <= now
            {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            let rest_after = REST_AFTER.min(self.keep_alive);
            // While it answers as well: hyper need not ask again once its answer is out.
            let rest = match phase {
                Phase::Idle if !self.activity.is_multiplexed() => Some(since + rest_after),
                Phase::Busy if !self.activity.is_multiplexed() => Some(now + rest_after),
                Phase::Fresh | Phase::Idle | Phase::Head | Phase::Busy | Phase::Upgraded => None,
            };
            self.is_silent = rest.is_some_and(|rest| rest <= now);
            let limit = limit.map(|(deadline, _)| deadline);
            let next = [limit, rest.filter(|rest| *rest > now)].into_iter().flatten().min();
            let deadline = next.unwrap_or(now + self.keep_alive);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.is_elapsed() || (next.is_some() && timer.deadline() > deadline) {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }

    /// Ready once there is something to read, or the client has used up its time.
    pub(super) fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let heard = self.stream.inner().transport().poll_heard(cx);
        if heard.is_ready() {
            return heard;
        }
        Poll::Ready(Err(ready!(self.poll_patience(cx))))
    }

    /// Gives back what was read and not used.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        self.stream.inner_mut().unread(bytes);
    }

    /// Whether whatever there is to read lies with the system.
    pub(super) fn is_bare(&self) -> bool {
        self.stream.inner().is_bare()
    }

    fn poll_written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        // What is written ends a silence, and the connection may be about to end.
        self.is_silent = false;
        if written.is_ready() {
            self.has_answered = true;
            // What was left in the buffer when its answer had ended counts as idle only now.
            if self.untaken.is_running() && self.activity.phase().0 == Phase::Idle {
                self.activity.enter(Phase::Idle);
            }
            self.untaken.heard();
            return written;
        }
        ready!(self.untaken.poll_silence(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }

    /// Has the client told that nothing follows, after all that does.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(ended) = Pin::new(&mut self.stream).poll_shutdown(cx) {
            return Poll::Ready(ended);
        }
        if !self.is_ending {
            self.is_ending = true;
            self.untaken.set(LAST_BYTES);
            self.untaken.heard();
        }
        ready!(self.untaken.poll_silence(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read the end of its answer")))
    }

    /// Whether more of a request may be on its way that has been answered, though nothing lies there at this moment.
    fn is_owed(&self) -> bool {
        match self.activity.phase() {
            (Phase::Head, _) => self.has_answered,
            (Phase::Idle, since) => self.request_end.is_owed() && since.elapsed() < AT_ONCE,
            (Phase::Busy, _) => self.request_end.is_owed(),
            (Phase::Fresh | Phase::Upgraded, _) => false,
        }
    }

    /// Reads and drops what is left of a request, until the client has closed or the time is up. Ready at once where
    /// nothing is left.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 16 * 1024];
        let is_owed = self.is_owed();
        loop {
            let mut rest = ReadBuf::new(&mut scratch);
            let read = Pin::new(self.stream.inner_mut().transport_mut()).poll_read(cx, &mut rest);
            self.lingered += rest.filled().len();
            let is_over = match read {
                Poll::Ready(Ok(())) => rest.filled().is_empty() || self.lingered > LINGER_BYTES,
                Poll::Ready(Err(_)) => true,
                Poll::Pending => self.linger.is_none() && !is_owed,
            };
            if is_over {
                return Poll::Ready(());
            }
            let timer = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            ready!(read.map(drop));
        }
    }
}

impl Drop for ClientIo {
    fn drop(&mut self) {
        // An answer that ends with its connection looks whole after an orderly end; a reset says that it is not.
        if self.activity.is_cut_off()
            && let Err(error) = self.stream.inner().transport().set_zero_linger()
        {
            tracing::debug!(%error, "a client may take a broken answer for whole");
        }
    }
}

impl Read for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.departure.read(read.is_pending());
        self.is_silent = false;
        self.activity.rest(false);
        match read {
            Poll::Ready(result) => {
                if result.is_err() {
                    self.activity.over();
                }
                // The end of the stream counts as a head as well: nothing follows that the timer could end.
                if matches!(self.activity.phase().0, Phase::Fresh | Phase::Idle) {
                    self.activity.heard();
                    self.has_answered = false;
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                let error = ready!(self.poll_patience(cx));
                self.activity.over();
                Poll::Ready(Err(error))
            }
        }
    }
}

impl Write for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Last of all that hyper does whenever it has had a look at the connection.
        let this = &mut *self;
        if this.activity.phase().0 == Phase::Busy && this.departure.poll(cx, this.stream.inner().transport()).is_ready()
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client has left")));
        }
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        if this.is_silent && matches!(flushed, Poll::Ready(Ok(()))) && !this.untaken.is_running() {
            this.activity.rest(!this.request_end.is_owed());
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.activity.rest(false);
        self.activity.over();
        if self.linger.is_none() {
            ready!(self.poll_end(cx))?;
        }
        // There its half alone is closed: what the client still sends is for the upstream.
        if self.activity.phase().0 == Phase::Upgraded {
            return Poll::Ready(Ok(()));
        }
        self.poll_linger(cx).map(Ok)
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio::net::UnixStream;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::super::crowd::Crowd;
    use super::super::tests::settings;
    use super::super::transport::Transport;
    use super::*;

    /// Regression: whoever read nothing of the end held its connection for ever.
    #[tokio::test]
    async fn who_does_not_take_the_last_bytes_is_given_up() {
        let issued = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(issued.cert.der().clone()).unwrap();
        let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let server = server.with_no_client_auth().with_single_cert(vec![issued.cert.der().clone()], key).unwrap();
        let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (ours, _unread) = tokio::try_join!(
            TlsAcceptor::from(Arc::new(server)).accept(Transport::Unix(ours)),
            TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("a.example").unwrap(), theirs),
        )
        .unwrap();
        let limits = settings(1).limits;
        let place = Arc::new(Crowd::default()).admit(None, &limits).unwrap();
        let (activity, end) = (Activity::sequential(), RequestEnd::default());
        let mut client = ClientIo::new(Socket::tls(ours), activity, end, &limits, Connected::alone(place));
        poll_fn(|cx| {
            while Pin::new(&mut client).poll_write(cx, &[0; 16 * 1024]).is_ready() {}
            Poll::Ready(())
        })
        .await;
        let began = Instant::now();
        let ended = poll_fn(|cx| Pin::new(&mut client).poll_shutdown(cx)).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= LAST_BYTES, "{:?}", began.elapsed());
    }
}
