//! Bodies on their way through: streamed, never collected.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::expect::Gate;
use super::pool::Lease;
use crate::http::idle::IdleLimit;
use crate::http::strip::StripList;

/// Why a body ended before its end. The connection it was for is broken off, so that nobody takes it for whole.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The upstream broke off, or broke the rules of its framing.
    #[error("the upstream broke off its answer")]
    Upstream(#[source] hyper::Error),
    /// The client broke off, or broke the rules of its framing.
    #[error("the client broke off its request")]
    Client(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("the sender fell silent in the middle of a body")]
    Silent,
}

/// What a request's body has been doing, for the timer that waits for the answer.
#[derive(Debug)]
pub(super) struct Progress {
    last: Cell<Instant>,
    failed: Cell<bool>,
}

impl Progress {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Progress { last: Cell::new(Instant::now()), failed: Cell::new(false) })
    }

    /// When the client last sent something.
    pub(super) fn last(&self) -> Instant {
        self.last.get()
    }

    /// Whether the client's side is what broke.
    pub(super) fn failed(&self) -> bool {
        self.failed.get()
    }
}

/// A client's body on its way to an upstream.
pub(super) enum RequestBody {
    /// There is none.
    Empty,
    /// There is one.
    Relayed(Box<Upload>),
}

/// A body that is being sent up.
pub(super) struct Upload {
    incoming: Incoming,
    gate: Option<Gate>,
    silence: IdleLimit,
    trailers: Rc<StripList>,
    progress: Rc<Progress>,
}

impl Upload {
    pub(super) fn new(
        incoming: Incoming,
        gate: Option<Gate>,
        silence: IdleLimit,
        trailers: Rc<StripList>,
        progress: Rc<Progress>,
    ) -> Self {
        Upload { incoming, gate, silence, trailers, progress }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.poll_open(cx));
            self.gate = None;
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.heard();
                self.progress.last.set(Instant::now());
                Poll::Ready(Some(Ok(without_identity(frame, &self.trailers))))
            }
            Poll::Ready(Some(Err(error))) => {
                self.progress.failed.set(true);
                Poll::Ready(Some(Err(RelayError::Client(error))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(self.silence.poll_silence(cx));
                self.progress.failed.set(true);
                Poll::Ready(Some(Err(RelayError::Silent)))
            }
        }
    }
}

/// A trailer can claim an identity as well as a header can; credentials have no place in one at all (RFC 9110, 6.5.1).
fn without_identity(frame: Frame<Bytes>, list: &StripList) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            list.apply(&mut trailers);
            trailers.remove(AUTHORIZATION);
            trailers.remove(COOKIE);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            RequestBody::Empty => Poll::Ready(None),
            RequestBody::Relayed(upload) => upload.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Relayed(upload) => upload.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Relayed(upload) => upload.incoming.size_hint(),
        }
    }
}

/// An upstream's body on its way to a client. Its connection is given back once it has ended well.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    lease: Option<Lease>,
    silence: IdleLimit,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, lease: Lease, silence: IdleLimit) -> Self {
        let mut body = ResponseBody { incoming, lease: Some(lease), silence };
        body.give_back_at_end();
        body
    }

    fn give_back_at_end(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.heard();
                self.give_back_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                Poll::Ready(Some(Err(RelayError::Upstream(error))))
            }
            Poll::Ready(None) => {
                if let Some(lease) = self.lease.take() {
                    lease.give_back();
                }
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(self.silence.poll_silence(cx));
                self.lease = None;
                Poll::Ready(Some(Err(RelayError::Silent)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
