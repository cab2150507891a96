//! A connection that many requests share: HTTP/2 (RFC 9113).

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::body::RequestBody;
use super::counts::Open;
use super::stream::Stream as Bytes;
use crate::http::idle::IdleLimit;

/// Requests at once on one connection, whatever more the other end would take: as many as it is asked not to allow less
/// than (RFC 9113, 6.5.2).
const MAX_STREAMS: usize = 100;

/// What the number of requests at once is as long as the other end has not said it.
const UNHEARD: usize = usize::MAX - 1;

/// What the upstream may send of one answer before the client has taken it, and of all of them together: no client that
/// reads slowly keeps another one's answer from coming.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;

/// What is kept of one body that the upstream has yet to take.
const SEND_BUFFER: usize = 64 * 1024;

/// The longest head of an answer.
const MAX_HEAD: u32 = 64 * 1024;

/// A connection, and how many requests are under way on it.
#[derive(Debug)]
pub(super) struct Shared {
    sender: SendRequest<RequestBody>,
    /// Whether its bytes are encrypted, as `:scheme` tells.
    is_tls: bool,
    core: ThisCore,
    idle_timeout: Duration,
    streams: Cell<usize>,
    /// How many the other end takes, as far as it has said so.
    allowed: Rc<Cell<usize>>,
    is_retired: Cell<bool>,
    last_used: Cell<Instant>,
    _open: Open,
}

impl Shared {
    /// Begins to speak on a stream; ready once the other end has said how it wants to be spoken to. `open` is kept for as
    /// long as somebody uses the connection.
    ///
    /// # Errors
    /// It hung up, or does not speak HTTP/2.
    pub(super) async fn over(
        mut stream: Bytes,
        open: Open,
        is_tls: bool,
        idle_timeout: Duration,
    ) -> io::Result<Rc<Self>> {
        let settings = stream.next_words();
        let core = ThisCore::default();
        let handshake = Builder::new(core.clone())
            .initial_max_send_streams(UNHEARD)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(MAX_HEAD)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(io::Error::other)?;
        let mut connection = Box::pin(connection);
        poll_fn(|cx| {
            settings.register(cx.waker());
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                let hung_up = || io::Error::new(io::ErrorKind::ConnectionAborted, "it hung up before a word of HTTP/2");
                return Poll::Ready(Err(ended.map_or_else(io::Error::other, |()| hung_up())));
            }
            if connection.current_max_send_streams() == UNHEARD { Poll::Pending } else { Poll::Ready(Ok(())) }
        })
        .await?;
        let allowed = Rc::new(Cell::new(allowed_by(connection.current_max_send_streams())));
        let told = Rc::clone(&allowed);
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| {
                // Hears by itself of a limit that changes, and of the other end's going away.
                settings.register(cx.waker());
                let polled = connection.as_mut().poll(cx);
                told.set(allowed_by(connection.current_max_send_streams()));
                polled
            });
            // What goes wrong here reaches whoever waits for an answer.
            let _ = ended.await;
        });
        let (streams, is_retired, last_used) = (Cell::new(0), Cell::new(false), Cell::new(Instant::now()));
        Ok(Rc::new(Shared { sender, is_tls, core, idle_timeout, streams, allowed, is_retired, last_used, _open: open }))
    }

    /// Room for one more request, if there is any.
    pub(super) fn begin(self: &Rc<Self>) -> Option<Stream> {
        if self.is_over() || self.streams.get() >= self.allowed.get() {
            return None;
        }
        self.streams.set(self.streams.get() + 1);
        let (sender, silence) = (self.sender.clone(), IdleLimit::new(self.idle_timeout));
        Some(Stream { connection: Rc::clone(self), sender, silence, sending: Sending::default() })
    }

    /// Whether no request can begin on it any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_retired.get() || self.sender.is_closed()
    }

    /// Whether nobody has used it since.
    pub(super) fn is_unused_since(&self, then: Instant) -> bool {
        self.streams.get() == 0 && self.last_used.get() <= then
    }
}

/// How many requests may be under way where the other end takes so many.
fn allowed_by(said: usize) -> usize {
    said.min(MAX_STREAMS)
}

/// One request's part in a connection. Dropped, it leaves room for another.
#[derive(Debug)]
pub(super) struct Stream {
    connection: Rc<Shared>,
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) silence: IdleLimit,
    sending: Sending,
}

impl Stream {
    /// Lets no more requests begin on the connection: it may be one that leads nowhere any more.
    pub(super) fn retire(&self) {
        self.connection.is_retired.set(true);
    }

    /// For the request's body to tell that it is asked.
    pub(super) fn asked(&self) -> Asked {
        Asked { core: self.connection.core.clone(), sending: self.sending.clone() }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.connection.is_tls
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Left to itself, hyper would hold the request open for as long as its body can neither go on nor end.
        if let Some(sending) = self.sending.0.get() {
            sending.abort();
        }
        self.connection.streams.set(self.connection.streams.get().saturating_sub(1));
        self.connection.last_used.set(Instant::now());
    }
}

/// Runs what a connection needs beside it, on its own core.
#[derive(Debug, Clone, Default)]
struct ThisCore {
    /// Whose body was asked for a piece last: if it has none, hyper hands over what sends it right after.
    asked: Rc<RefCell<Option<Sending>>>,
}

/// What sends a body, once something does. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Sending(Rc<OnceCell<AbortHandle>>);

/// A body's way to let its connection know that it is asked.
#[derive(Debug)]
pub(super) struct Asked {
    core: ThisCore,
    sending: Sending,
}

impl Asked {
    /// The body is asked for a piece.
    pub(super) fn note(&self) {
        self.core.asked.replace(Some(self.sending.clone()));
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for ThisCore {
    fn execute(&self, future: F) {
        let task = tokio::task::spawn_local(future);
        if let Some(Sending(sending)) = self.asked.take() {
            // Of a body that is sent already it is another's task.
            let _ = sending.set(task.abort_handle());
        }
    }
}
