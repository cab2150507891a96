//! What a request goes out on, and its answer comes in on.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::body::{Progress, RequestBody};
use super::driver::Driver;
use super::pool::{self, Connection, Pool};
use super::shared::Stream;
use super::version_2;
use crate::http::idle::IdleLimit;

/// A connection, or a part of one, that waits for its request's answer. Dropped, it lets the upstream know that nobody
/// waits any more.
#[derive(Debug)]
pub(super) enum Channel {
    /// HTTP/1.1.
    Alone(Box<Connection>),
    /// HTTP/2.
    Shared(Stream),
}

type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

impl Channel {
    /// Sends a request in the form of HTTP/1.1, in that of the connection.
    pub(super) fn send(&mut self, mut request: Request<RequestBody>) -> impl Future<Output = Sent> + use<> {
        match self {
            Channel::Alone(connection) => Either::Left(connection.sender.try_send_request(request)),
            Channel::Shared(stream) => {
                version_2::dress(&mut request, stream.is_tls());
                request.body_mut().tell(stream.asked());
                Either::Right(stream.sender.try_send_request(request))
            }
        }
    }

    /// What has come of a request that was sent here: moves the connection's bytes, where nobody else does.
    pub(super) fn poll_answer(
        &mut self,
        mut answer: Pin<&mut impl Future<Output = Sent>>,
        cx: &mut Context<'_>,
    ) -> Poll<Sent> {
        match self {
            Channel::Alone(connection) if connection.driver.is_here() => {
                connection.driver.poll(cx);
                connection.driver.look(cx, |cx| answer.as_mut().poll(cx))
            }
            Channel::Alone(_) | Channel::Shared(_) => answer.poll(cx),
        }
    }

    /// A request that was not sent, in the form in which it was given.
    pub(super) fn unsent(&self, mut request: Request<RequestBody>) -> Request<RequestBody> {
        if let Channel::Shared(_) = self {
            version_2::undress(&mut request);
        }
        request
    }

    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Channel::Shared(_))
    }

    /// How long the upstream has been silent.
    pub(super) fn silence(&mut self) -> &mut IdleLimit {
        match self {
            Channel::Alone(connection) => &mut connection.silence,
            Channel::Shared(stream) => &mut stream.silence,
        }
    }

    /// No further request goes out on the same connection.
    pub(super) fn retire(&self) {
        if let Channel::Shared(stream) = self {
            stream.retire();
        }
    }

    /// The head of the answer has arrived.
    pub(super) fn lease(self, pool: &Rc<Pool>, keep_alive: Duration, request: &Progress) -> Lease {
        match self {
            Channel::Alone(connection) => {
                Lease::Alone(pool::Lease::new(connection, Rc::clone(pool), keep_alive, request.clone()))
            }
            Channel::Shared(stream) => Lease::Shared(stream),
        }
    }
}

/// What an answer's body comes in on. Dropped before its end, the upstream's work is cancelled.
#[derive(Debug)]
pub(super) enum Lease {
    /// HTTP/1.1.
    Alone(pool::Lease),
    /// HTTP/2.
    Shared(Stream),
}

impl Lease {
    /// How long the upstream has been silent.
    pub(super) fn silence(&mut self) -> &mut IdleLimit {
        match self {
            Lease::Alone(lease) => lease.silence(),
            Lease::Shared(stream) => &mut stream.silence,
        }
    }

    /// A piece of the answer's body: moves the connection's bytes, where nobody else does.
    pub(super) fn poll_frame(
        &mut self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Lease::Alone(lease) if lease.driver().is_here() => {
                let mut look = |driver: &Driver, cx: &mut Context<'_>| {
                    driver.look(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx))
                };
                let seen = look(lease.driver(), cx);
                if seen.is_ready() {
                    return seen;
                }
                lease.driver_mut().poll(cx);
                look(lease.driver(), cx)
            }
            Lease::Alone(_) | Lease::Shared(_) => Pin::new(incoming).poll_frame(cx),
        }
    }

    /// The connection speaks another protocol from here on.
    pub(super) fn hand_over(self) {
        match self {
            Lease::Alone(lease) => lease.hand_over(),
            // One request of many does not switch all of them.
            Lease::Shared(_) => {}
        }
    }

    /// The answer has ended well.
    pub(super) fn give_back(self) {
        match self {
            Lease::Alone(lease) => lease.give_back(),
            Lease::Shared(_) => {}
        }
    }
}
