//! Upgraded connections: bytes both ways until either side is done.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::balance::InFlight;
use super::farewell::{self, End, Farewell, Frames};
use crate::clock::{Clock, Timestamp};
use crate::http::idle::IdleLimit;

/// How long a side that does not read is waited for, whatever silence is allowed: what is on its way to it would be lost.
const UNREAD: Duration = Duration::from_secs(60);

/// For each direction.
const BUFFER: usize = 16 * 1024;

/// Two connections that have both agreed to switch. Nothing passes before [`Tunnel::open`]; dropped unopened, both end.
#[must_use]
#[derive(Debug)]
pub struct Tunnel {
    client: OnUpgrade,
    upstream: OnUpgrade,
    /// How long one side may be silent after the other has closed its half.
    half_closed: Duration,
    /// Counts it at its endpoint, for as long as it lasts.
    in_flight: Option<InFlight>,
}

impl Tunnel {
    pub(super) fn new(
        client: OnUpgrade,
        upstream: OnUpgrade,
        half_closed: Duration,
        in_flight: Option<InFlight>,
    ) -> Self {
        Tunnel { client, upstream, half_closed, in_flight }
    }

    /// Joins the client's connection with the upstream's, once both have switched. A side that closes its half ends
    /// that direction alone, and the other goes on while something comes; an error ends both, and so does `over`, whatever
    /// is under way: both sides are told why, where that is possible.
    pub fn open(self, heard: Heard, over: impl Future<Output = Farewell> + 'static) {
        tokio::task::spawn_local(self.join(heard, over));
    }

    async fn join(self, heard: Heard, over: impl Future<Output = Farewell>) {
        let _in_flight = self.in_flight;
        let mut over = pin!(over);
        let mut switching = pin!(async { futures_util::try_join!(self.client, self.upstream) });
        let (switched, early) = tokio::select! {
            biased;
            // Both have agreed by now, and are told as soon as they can be.
            farewell = over.as_mut() => match farewell::in_time(switching).await {
                Some(switched) => (switched, Some(farewell)),
                None => return,
            },
            switched = switching.as_mut() => (switched, None),
        };
        let (client, upstream) = match switched {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "an upgrade did not come about");
                return;
            }
        };
        let half = Half::default();
        let unread = || IdleLimit::new(UNREAD);
        let side = |io, heard| Listening {
            io: TokioIo::new(io),
            heard,
            half: half.clone(),
            unread: unread(),
            sent: Frames::default(),
        };
        let (mut client, mut upstream) = (side(client, Some(heard)), side(upstream, None));
        if let Some(farewell) = early {
            return farewell::say(farewell, &mut client, &mut upstream).await;
        }
        let farewell = tokio::select! {
            biased;
            farewell = over => farewell,
            copied = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER) => {
                if let Err(error) = copied {
                    tracing::debug!(%error, "an upgraded connection broke off");
                }
                return;
            }
            // Who has seen the other side go, and says nothing more, would hold the connection for ever.
            () = half.silent_for(self.half_closed) => return,
        };
        farewell::say(farewell, &mut client, &mut upstream).await;
    }
}

/// Whether one side has closed its half, and when the other was last heard since. Clones are one and the same.
#[derive(Debug, Clone, Default)]
struct Half(Rc<HalfState>);

#[derive(Debug, Default)]
struct HalfState {
    last: Cell<Option<Instant>>,
    /// Something waits to be taken.
    is_blocked: Cell<bool>,
    closed: Notify,
}

impl Half {
    fn read(&self, is_end: bool) {
        if is_end {
            self.0.last.set(Some(Instant::now()));
            self.0.closed.notify_one();
        } else if self.0.last.get().is_some() {
            self.0.last.set(Some(Instant::now()));
        }
    }

    fn written(&self, is_blocked: bool) {
        self.0.is_blocked.set(is_blocked);
        if !is_blocked && self.0.last.get().is_some() {
            self.0.last.set(Some(Instant::now()));
        }
    }

    /// Ready once a half is closed and the other has been silent for so long.
    async fn silent_for(&self, limit: Duration) {
        self.0.closed.notified().await;
        let limit = || if self.0.is_blocked.get() { limit.max(UNREAD) } else { limit };
        while let Some(until) = self.0.last.get().map(|last| last + limit())
            && until > Instant::now()
        {
            tokio::time::sleep_until(until).await;
        }
    }
}

/// When a client last said something. Cheap to clone; all clones share it.
#[derive(Debug, Clone)]
pub struct Heard(Rc<(Clock, Cell<Timestamp>)>);

impl Heard {
    /// The request for the upgrade has just been heard.
    pub fn now(clock: Clock) -> Self {
        let now = Cell::new(clock.now());
        Heard(Rc::new((clock, now)))
    }

    /// When that was.
    pub fn last(&self) -> Timestamp {
        self.0.1.get()
    }

    fn again(&self) {
        self.0.1.set(self.0.0.now());
    }
}

/// One side of a tunnel, which notes when it says something.
struct Listening<I> {
    io: I,
    /// The client's alone is use of its session.
    heard: Option<Heard>,
    half: Half,
    /// How long a client has taken nothing.
    unread: IdleLimit,
    /// What it has been sent.
    sent: Frames,
}

impl<I: AsyncRead + AsyncWrite + Unpin> End for Listening<I> {
    fn sent(&self) -> &Frames {
        &self.sent
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Listening<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, into))?;
        let is_end = into.filled().len() == before;
        self.half.read(is_end);
        if let Some(heard) = self.heard.as_ref().filter(|_| !is_end) {
            heard.again();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Listening<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.half.written(written.is_pending());
        if let Poll::Ready(Ok(length)) = &written {
            self.sent.pass(bytes.get(..*length).unwrap_or_default());
        }
        if written.is_ready() {
            self.unread.heard();
        } else if self.heard.is_some() {
            ready!(self.unread.poll_silence(cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
