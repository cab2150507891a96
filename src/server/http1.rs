//! A client's connection that speaks HTTP/1.1.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use http::{Request, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Write;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use pin_project_lite::pin_project;
use tokio::sync::watch;

use super::activity::{Activity, Answering, Phase};
use super::client_io::ClientIo;
use super::connection::{begun, first_word};
use super::core::Connected;
use super::present::Slot;
use super::socket::Socket;
use super::{Handler, Limits};
use crate::http::peer::Peer;
use crate::http::request_end::RequestEnd;
use crate::rule::{self, Rule};

/// How many header fields hyper takes unless it is told otherwise.
const HYPERS_MAX_HEADERS: usize = 100;

/// Serves one client until it leaves, misbehaves, or the server drains and its present request is answered.
pub(super) async fn serve<H: Handler>(
    socket: Socket,
    peer: &Peer,
    limits: &Limits,
    slot: &Slot<H>,
    mut draining: watch::Receiver<bool>,
    connected: Connected,
) {
    let activity = Activity::sequential();
    let request_end = RequestEnd::default();
    let mut io = ClientIo::new(socket, activity.clone(), request_end.clone(), limits, connected);
    // Whether the server drains: a first request that comes all the same is the only one. It may be here by now, and answered
    // before anybody looks again.
    let is_last = Cell::new(*draining.borrow());
    let is_last = &is_last;
    let answer = |mut request: Request<Incoming>| {
        let answering = Answering::new(&activity);
        let has_body = !request.body().is_end_stream();
        request_end.begin(has_body);
        if has_body {
            request.extensions_mut().insert(request_end.clone());
        }
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let (present, activity, request_end) = (slot.present(), &activity, &request_end);
        async move {
            let version = request.version();
            let mut response = present.handler.handle(request, peer).await;
            if is_chunked && !request_end.is_certain() && rule::holds(Rule::TrailersEndOneWay) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                activity.enter(Phase::Upgraded);
            }
            // HTTP/1.0 knows no chunks, and an answer said in it ends with its connection.
            let may_end_with_connection = version == Version::HTTP_10 || response.version() == Version::HTTP_10;
            if is_last.get() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let ends_with_connection = may_end_with_connection.then(|| activity.clone());
            Ok::<_, Infallible>(response.map(|body| Answer { body, answering, ends_with_connection }))
        }
    };
    // No `pipeline_flush`: where bytes follow a request that ends its connection, hyper would close without having sent
    // the answer.
    let mut builder = http1::Builder::new();
    // Told its own default, hyper would fill as much memory with nothing for each head.
    if limits.headers != HYPERS_MAX_HEADERS {
        builder.max_headers(limits.headers);
    }
    builder.header_read_timeout(None).max_buf_size(limits.header_bytes.as_usize());
    let mut is_heard = !io.is_bare();
    let ended = loop {
        if !is_heard {
            match heard(&mut io, &mut draining).await {
                Ok(Heard::Client) => {}
                // Of whoever has only just connected a first word is waited for.
                Ok(Heard::Drain) if activity.phase().0 == Phase::Fresh => {}
                Ok(Heard::Drain) => return Box::pin(end(io, peer, "the server goes down")).await,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return end(io, peer, &error.to_string()).await;
                }
                Err(error) => {
                    tracing::debug!(peer = %peer.remote, %error, "a client's connection broke off");
                    return;
                }
            }
        }
        // In a place of its own, which is given back while nothing is said.
        let mut connection = Box::new(builder.serve_connection(io, service_fn(&answer)).with_upgrades());
        let used = tokio::select! {
            biased;
            used = used(connection.as_mut(), &activity) => used,
            () = begun(&mut draining) => {
                is_last.set(true);
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => Used::Ended(ended),
                    () = first_word(&activity) => {
                        Pin::new(connection.as_mut()).graceful_shutdown();
                        Used::Ended(connection.as_mut().await)
                    }
                }
            }
        };
        match used {
            Used::Ended(ended) => break ended,
            Used::AtRest => match connection.into_parts() {
                Some(parts) => {
                    io = parts.io;
                    io.unread(&parts.read_buf);
                    is_heard = false;
                    tracing::debug!(peer = %peer.remote, "nothing but its socket is kept of an idle connection");
                }
                None => break Ok(()),
            },
        }
    };
    if let Err(error) = ended {
        if is_unreadable(&error) {
            slot.present().handler.unreadable();
        }
        log_end(peer, &error);
    }
}

/// What has become of a connection.
enum Used {
    /// It is over.
    Ended(hyper::Result<()>),
    /// Nothing but its socket has to be kept until the next request.
    AtRest,
}

/// Why a connection of which the socket alone is kept has to be looked at.
enum Heard {
    /// There is something to read.
    Client,
    /// Draining has begun.
    Drain,
}

/// Waits for either. Fails once the client has used up its time, or its socket is broken.
async fn heard(io: &mut ClientIo, draining: &mut watch::Receiver<bool>) -> io::Result<Heard> {
    tokio::select! {
        biased;
        heard = poll_fn(|cx| io.poll_heard(cx)) => heard.map(|()| Heard::Client),
        () = begun(draining) => Ok(Heard::Drain),
    }
}

/// Ends a connection on which nothing is under way, as hyper would: by TLS the client is told that nothing follows.
async fn end(mut io: ClientIo, peer: &Peer, why: &str) {
    let ended = poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)).await;
    let error = ended.err().map(tracing::field::display);
    tracing::debug!(peer = %peer.remote, why, error, "an idle connection was closed");
}

/// Serves until the connection is over, or at rest.
async fn used(connection: &mut (impl Future<Output = hyper::Result<()>> + Unpin), activity: &Activity) -> Used {
    poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Used::Ended(ended)),
        Poll::Pending if activity.is_at_rest() => Poll::Ready(Used::AtRest),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// hyper answers what its parser refuses by itself, without a page and past the access log: this line is its trace.
fn log_end(peer: &Peer, error: &hyper::Error) {
    let peer = peer.remote;
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    if is_unreadable(error) {
        tracing::info!(%peer, %error, "refused a request that is not HTTP as we speak it");
    } else {
        tracing::debug!(%peer, %error, cause, "a client's connection broke off");
    }
}

fn is_unreadable(error: &hyper::Error) -> bool {
    error.is_parse() || error.is_parse_too_large()
}

pin_project! {
    /// An answer's body, which keeps the connection busy until it is gone.
    struct Answer<B> {
        #[pin]
        body: B,
        answering: Answering,
        // There if nothing but the connection's end says where the body ends.
        ends_with_connection: Option<Activity>,
    }
}

impl<B: Body<Data = Bytes>> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        if let (Poll::Ready(Some(Err(_))), Some(activity)) = (&frame, this.ends_with_connection) {
            activity.cut_off();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
