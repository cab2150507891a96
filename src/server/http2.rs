//! A client's connection that speaks HTTP/2 (RFC 9113).

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::activity::{Activity, Answering, Phase};
use super::client_io::{ClientIo, UNREAD_TIMEOUT};
use super::connection::{begun, first_word};
use super::core::Connected;
use super::lasting::Lasting;
use super::present::Slot;
use super::socket::Socket;
use super::stream::{Streams, Watched};
use super::web_socket::Handshake;
use super::{Handler, Limits};
use crate::http::peer::Peer;
use crate::http::request_end::RequestEnd;
use crate::http::version_2;

/// What a client may have sent of one body, and of all bodies together, before somebody has read it.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What is kept of one answer that the client has yet to take. hyper hands on a piece of a body at a time.
const SEND_BUFFER: usize = 64 * 1024;

/// How often a client is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves one client until it leaves, misbehaves, or the server drains and its present requests are answered.
pub(super) async fn serve<H: Handler>(
    socket: Socket,
    peer: Peer,
    limits: &Limits,
    slot: Rc<Slot<H>>,
    mut draining: watch::Receiver<bool>,
    connected: Connected,
) {
    let (activity, remote) = (Activity::multiplexed(), peer.remote);
    let io = ClientIo::new(socket, activity.clone(), RequestEnd::default(), limits, connected);
    let most_fields = limits.headers;
    let (peer, streams) = (Rc::new(peer), Streams::new(UNREAD_TIMEOUT));
    let service = service_fn(|mut request: Request<Incoming>| {
        let stream = streams.begin(Answering::new(&activity));
        let handshake = Handshake::of(&mut request);
        version_2::settle(&mut request);
        let (present, peer) = (slot.present(), Rc::clone(&peer));
        async move {
            // Of HTTP/2 hyper counts the bytes alone.
            let mut response = if request.headers().len() > most_fields {
                present.handler.unreadable();
                let mut refused = Response::new(H::Body::default());
                *refused.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                refused
            } else {
                present.handler.handle(request, &peer).await
            };
            if let Some(handshake) = handshake {
                handshake.settle(&mut response);
            }
            Ok::<_, Infallible>(response.map(|body| Watched::new(body, stream)))
        }
    });
    let connection = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_concurrent_streams(limits.streams)
        .enable_connect_protocol()
        .max_header_list_size(limits.header_bytes.as_u32())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(io, service);
    let connection = Lasting::new(connection, activity.clone(), || {
        slot.present().handler.unreadable();
        tracing::info!(peer = %remote, "refused a request that is not HTTP as we speak it: CONNECT with a length");
    });
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = begun(&mut draining) => tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = first_word(&activity) => {
                connection.as_mut().connection().graceful_shutdown();
                connection.await
            }
        },
        () = unused(&activity, limits.keep_alive) => {
            connection.as_mut().connection().graceful_shutdown();
            // What the client has yet to take of an answer is all that keeps it.
            timeout(UNREAD_TIMEOUT, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %remote, %error, "a client's connection broke off");
    }
}

/// Ready once nothing has been answered for so long.
async fn unused(activity: &Activity, limit: Duration) {
    loop {
        let now = Instant::now();
        let until = match activity.phase() {
            (Phase::Fresh | Phase::Idle, since) if since + limit <= now => return,
            (Phase::Fresh | Phase::Idle, since) => since + limit,
            (Phase::Head | Phase::Busy | Phase::Upgraded, _) => now + limit,
        };
        sleep_until(until).await;
    }
}
