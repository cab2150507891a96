//! Bodies on their way through: streamed, never collected.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::channel::Lease;
use super::exchange::Busy;
use super::expect::Gate;
use super::shared::Asked;
use crate::http::idle::{Ended, IdleLimit};
use crate::http::request_end::RequestEnd;
use crate::http::strip::StripList;
use crate::rule::{self, Rule};

/// Why a body ended before its end. The connection it was for is broken off, so that nobody takes it for whole.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The upstream broke off, or broke the rules of its framing.
    #[error("the upstream broke off its answer")]
    Upstream(#[source] hyper::Error),
    /// The client broke off, or broke the rules of its framing.
    #[error("the client broke off its request")]
    Client(#[source] hyper::Error),
    /// The client's trailers end in one place to some, and in another to others.
    #[error("the request's trailers do not end as they must")]
    Trailers,
    /// It took longer than its route allows.
    #[error("the answer took longer than its route allows (timeout)")]
    TooLong,
    /// Nothing came for too long.
    #[error("the sender fell silent in the middle of a body")]
    Silent,
}

/// What a request has been doing, for the timer that waits for its answer.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    began: Instant,
    /// Of a body, if there is one.
    upload: Option<Rc<UploadProgress>>,
}

#[derive(Debug)]
struct UploadProgress {
    last: Cell<Instant>,
    side: Cell<ClientSide>,
}

/// What a client is doing about the body it announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientSide {
    /// All of it has been sent on, or there is none.
    Done,
    /// It comes, or the upstream has yet to ask for it.
    Sending,
    /// More is owed, and does not come.
    Owing,
    /// More is owed, and has not come for too long.
    Silent,
    /// It broke off, or broke the rules of its framing.
    Broken,
}

impl Progress {
    /// When the client last sent something.
    pub(super) fn last(&self) -> Instant {
        self.upload.as_ref().map_or(self.began, |upload| upload.last.get())
    }

    /// What the client is doing, for whoever asks whose fault it is.
    pub(super) fn client_side(&self) -> ClientSide {
        self.upload.as_ref().map_or(ClientSide::Done, |upload| upload.side.get())
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
    progress: Rc<UploadProgress>,
    origin: Origin,
    /// Told whenever a piece is asked for, by a connection that many share.
    asked: Option<Asked>,
}

/// The connection that a request came on.
pub(super) struct Origin {
    /// Whether it speaks HTTP/2.
    pub(super) is_http_2: bool,
    /// Told when the body has been read.
    pub(super) end: Option<RequestEnd>,
}

impl RequestBody {
    /// No body.
    pub(super) fn none() -> (Self, Progress) {
        (RequestBody::Empty, Progress { began: Instant::now(), upload: None })
    }

    /// A body that waits at `gate`, if there is one, and may be silent for `limit`. `trailers`: what its trailers must
    /// not hold.
    pub(super) fn relayed(
        incoming: Incoming,
        gate: Option<Gate>,
        limit: Duration,
        trailers: Rc<StripList>,
        origin: Origin,
    ) -> (Self, Progress) {
        let began = Instant::now();
        let progress = Rc::new(UploadProgress { last: Cell::new(began), side: Cell::new(ClientSide::Sending) });
        let watched = Progress { began, upload: Some(Rc::clone(&progress)) };
        let upload = Upload { incoming, gate, silence: IdleLimit::new(limit), trailers, progress, origin, asked: None };
        (RequestBody::Relayed(Box::new(upload)), watched)
    }

    /// A body that waits at a gate waits no longer.
    pub(super) fn hold_no_longer(&mut self) {
        if let RequestBody::Relayed(upload) = self {
            upload.gate = None;
        }
    }

    /// Has a connection know when a piece is asked for.
    pub(super) fn tell(&mut self, asked: Asked) {
        if let RequestBody::Relayed(upload) = self {
            upload.asked = Some(asked);
        }
    }
}

impl Upload {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        if let Some(asked) = &self.asked {
            asked.note();
        }
        if let Some(gate) = &mut self.gate {
            ready!(gate.poll_open(cx));
            self.gate = None;
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        self.progress.side.set(match &polled {
            // Nobody asks what comes after trailers, nor after the last byte of a body whose length was announced.
            Poll::Ready(Some(Ok(frame))) if frame.is_data() && !self.incoming.is_end_stream() => ClientSide::Sending,
            Poll::Ready(Some(Ok(_)) | None) => ClientSide::Done,
            Poll::Ready(Some(Err(_))) => ClientSide::Broken,
            Poll::Pending => ClientSide::Owing,
        });
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(trailers) = frame.trailers_ref()
        {
            if let Some(end) = &self.origin.end {
                end.had_trailers();
            }
            if trailers.is_empty() && self.origin.is_http_2 {
                return Poll::Ready(None);
            }
            if trailers.is_empty() {
                self.progress.side.set(ClientSide::Broken);
                return Poll::Ready(Some(Err(RelayError::Trailers)));
            }
        }
        if let Some(end) = self.origin.end.take_if(|_| self.progress.side.get() == ClientSide::Done) {
            end.reached();
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.heard();
                self.progress.last.set(Instant::now());
                Poll::Ready(Some(Ok(without_identity(frame, &self.trailers))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(RelayError::Client(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(self.silence.poll_silence(cx));
                self.progress.side.set(ClientSide::Silent);
                Poll::Ready(Some(Err(RelayError::Silent)))
            }
        }
    }
}

/// Credentials, and what concerns the connection or the whole request: HTTP/2 takes a request with some of them for malformed
/// (RFC 9113, 8.2.2), and there are servers that end the connection for it.
const NEVER_IN_TRAILERS: [HeaderName; 16] = [
    AUTHORIZATION,
    COOKIE,
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    ORIGIN,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("close"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Takes away the blanks around values: they are no part of one (RFC 9110, 5.5), and malformed in HTTP/2 (RFC 9113, 8.2.1).
pub(super) fn trim(headers: &mut HeaderMap) {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    for value in headers.values_mut() {
        let bytes = value.as_bytes();
        if (is_blank(bytes.first()) || is_blank(bytes.last()))
            && let Ok(trimmed) = HeaderValue::from_bytes(bytes.trim_ascii())
        {
            *value = trimmed;
        }
    }
}

/// A trailer can claim an identity as well as a header can; credentials, and what concerns the connection or the whole
/// request, have no place in one at all (RFC 9110, 6.5.1).
fn without_identity(frame: Frame<Bytes>, list: &StripList) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            if rule::holds(Rule::TrailersClaimNoIdentity) {
                list.apply(&mut trailers);
            }
            for name in NEVER_IN_TRAILERS {
                trailers.remove(name);
            }
            trim(&mut trailers);
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
    /// Counts the request as under way.
    busy: Busy,
    /// Until when all of it must have come.
    until: Option<Instant>,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, lease: Lease, busy: Busy, until: Option<Instant>) -> Self {
        let mut body = ResponseBody { incoming, lease: Some(lease), busy, until };
        body.give_back_at_end();
        body
    }

    /// Of an answer after which its connection speaks another protocol.
    pub(super) fn switched(incoming: Incoming, lease: Lease) -> Self {
        lease.hand_over();
        ResponseBody { incoming, lease: None, busy: Busy::default(), until: None }
    }

    fn give_back_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
            self.busy = Busy::default();
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
        let this = &mut *self;
        let polled = match &mut this.lease {
            Some(lease) => lease.poll_frame(&mut this.incoming, cx),
            None => Pin::new(&mut this.incoming).poll_frame(cx),
        };
        match polled {
            Poll::Ready(Some(Ok(_))) if self.until.is_some_and(|until| until <= Instant::now()) => {
                self.lease = None;
                Poll::Ready(Some(Err(RelayError::TooLong)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(lease) = &mut self.lease {
                    lease.silence().heard();
                }
                // Trailers are the last, and nothing is asked for after them.
                if frame.is_trailers() {
                    self.give_back();
                }
                self.give_back_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                Poll::Ready(Some(Err(RelayError::Upstream(error))))
            }
            Poll::Ready(None) => {
                self.give_back();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let until = self.until;
                let Some(lease) = &mut self.lease else { return Poll::Pending };
                let error = match ready!(lease.silence().poll_silence_until(cx, until)) {
                    Ended::Silence => RelayError::Silent,
                    Ended::Time => RelayError::TooLong,
                };
                self.lease = None;
                Poll::Ready(Some(Err(error)))
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
