//! Upgraded connections: bytes both ways until either side is done.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

use crate::clock::{Clock, Timestamp};

/// For each direction.
const BUFFER: usize = 16 * 1024;

/// Two connections that have both agreed to switch. Nothing passes before [`Tunnel::open`]; dropped unopened, both end.
#[must_use]
#[derive(Debug)]
pub struct Tunnel {
    client: OnUpgrade,
    upstream: OnUpgrade,
}

impl Tunnel {
    pub(super) fn new(client: OnUpgrade, upstream: OnUpgrade) -> Self {
        Tunnel { client, upstream }
    }

    /// Joins the client's connection with the upstream's, once both have switched. A side that closes its half ends
    /// that direction alone; an error ends both, and so does `over`, whatever is under way.
    pub fn open(self, heard: Heard, over: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(async move {
            tokio::select! {
                biased;
                () = over => {}
                () = self.join(heard) => {}
            }
        });
    }

    async fn join(self, heard: Heard) {
        let (client, upstream) = match futures_util::try_join!(self.client, self.upstream) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "an upgrade did not come about");
                return;
            }
        };
        let (mut client, mut upstream) = (Listening { io: TokioIo::new(client), heard }, TokioIo::new(upstream));
        if let Err(error) = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER).await {
            tracing::debug!(%error, "an upgraded connection broke off");
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

/// The client's side of a tunnel, which notes when the client says something.
struct Listening<I> {
    io: I,
    heard: Heard,
}

impl<I: AsyncRead + Unpin> AsyncRead for Listening<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, into))?;
        if into.filled().len() > before {
            self.heard.again();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Listening<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
