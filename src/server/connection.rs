//! A client's connection, from its first byte to the protocol it speaks.

use std::error::Error as _;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::activity::{Activity, Phase};
use super::core::Connected;
use super::listener::Speaks;
use super::present::Slot;
use super::proxy_header::{self, Fault, Introduced};
use super::socket::Socket;
use super::transport::Transport;
use super::{Handler, Terms, http1, http2};
use crate::http::client_certificate::Handshake;
use crate::http::forwarded::Client;
use crate::http::peer::{Peer, Remote};
use crate::tls::{self, Acceptor};

/// What a client of HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// To whoever speaks plain text where TLS is spoken. We know no more of it, its language neither.
const TLS_ALONE: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Cache-Control: no-store\r\n\
    Connection: close\r\n\r\n\
    此端口只接受 https，请把地址开头改成 https://\n\
    This port speaks https alone: have the address begin with https://\n";

/// How long after the drain has begun the first request is waited for of whoever had just connected: it is on its way. What
/// connects later is a successor's, where sockets outlive the process.
const FIRST_WORD: Duration = Duration::from_secs(3);

/// A connection that was just accepted.
pub(super) struct Accepted {
    pub(super) stream: Transport,
    pub(super) from: Remote,
    pub(super) speaks: Speaks,
    /// Whether it has to begin with a word on whom it is for.
    pub(super) is_introduced: bool,
    /// What goes for it until it is settled.
    pub(super) terms: Terms,
}

/// A client, ready to be served.
struct Settled {
    socket: Socket,
    /// How TLS came about, if it was to.
    tls: Option<Handshake>,
    protocol: Protocol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Why a connection is not served.
enum Unsettled {
    /// It was told already why.
    TurnedAway,
    /// Its balancer did not say whom it is for.
    Introduction(Fault),
    /// The client did not come to the point.
    Client(io::Error),
}

/// Serves one client until it leaves, misbehaves, or the server drains and its present requests are answered.
pub(super) async fn serve<H: Handler>(
    accepted: Accepted,
    slot: Rc<Slot<H>>,
    mut draining: watch::Receiver<bool>,
    mut connected: Connected,
) {
    let limits = Arc::clone(&accepted.terms.limits);
    let (mut remote, mut client) = (accepted.from, Client::of(accepted.from));
    // Each in a place of its own: of what they need nothing is kept as long as the connection lasts.
    let settling = Box::pin(settle(accepted, &mut remote, &mut client, &mut connected));
    let settled = tokio::select! {
        biased;
        () = too_late(&mut draining) => return,
        settled = timeout(limits.head_timeout, settling) => settled,
    };
    let too_slow = io::Error::new(io::ErrorKind::TimedOut, "the client took too long to begin");
    match settled.unwrap_or(Err(Unsettled::Client(too_slow))) {
        Ok(Settled { socket, tls, protocol: Protocol::Http1 }) => {
            let peer = Peer { remote, client, tls };
            http1::serve(socket, &peer, &limits, &slot, draining, connected).await;
        }
        Ok(Settled { socket, tls, protocol: Protocol::Http2 }) => {
            let peer = Peer { remote, client, tls };
            Box::pin(http2::serve(socket, peer, &limits, slot, draining, connected)).await;
        }
        Err(Unsettled::TurnedAway) => {}
        Err(Unsettled::Introduction(fault)) => {
            // Whoever only looks whether somebody listens goes without a word.
            let is_odd = !matches!(fault, Fault::Silent);
            match &fault {
                Fault::Missing | Fault::Wrong(_) => {
                    tracing::warn!(peer = %remote, error = %fault, "a balancer's connection was closed");
                }
                Fault::Silent | Fault::BrokenOff(_) => {
                    let cause = fault.source().map(tracing::field::display);
                    tracing::debug!(peer = %remote, error = %fault, cause, "a balancer's connection was closed");
                }
            }
            if is_odd {
                slot.present().handler.unreadable();
            }
        }
        Err(Unsettled::Client(error)) if error.kind() == io::ErrorKind::NotConnected => {
            tracing::debug!(peer = %remote, "a client left without a word");
        }
        Err(Unsettled::Client(error)) => {
            tracing::info!(peer = %remote, %error, "a client and we did not come to terms");
            slot.present().handler.unreadable();
        }
    }
}

/// Ready once draining has begun. What was looked at is let go of at once: as long as somebody held it, nobody could
/// change it, and whoever looked next would wait for that.
pub(super) async fn begun(draining: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone.
    drop(draining.wait_for(|draining| *draining).await);
}

/// Ready once nobody who has only just connected when draining began can count on being served.
async fn too_late(draining: &mut watch::Receiver<bool>) {
    begun(draining).await;
    sleep(FIRST_WORD).await;
}

/// Ready once the first word of who has only just connected is no longer waited for, where draining has begun.
pub(super) async fn first_word(activity: &Activity) {
    if activity.phase().0 == Phase::Fresh {
        sleep(FIRST_WORD).await;
    }
}

/// Finds out whom a connection is for, which goes to `remote` and `client`, and what is spoken.
async fn settle(
    accepted: Accepted,
    remote: &mut Remote,
    client: &mut Client,
    connected: &mut Connected,
) -> Result<Settled, Unsettled> {
    let Accepted { mut stream, speaks, is_introduced, terms, .. } = accepted;
    if is_introduced {
        match proxy_header::read(&mut stream).await.map_err(Unsettled::Introduction)? {
            Introduced::Client(address) => {
                *remote = Remote::Network(address);
                *client = Client::of(*remote);
            }
            Introduced::Nobody => *client = Client::behind_balancer(*remote),
        }
        if !connected.belongs_to(*remote, &terms.limits) {
            return Err(Unsettled::TurnedAway);
        }
    }
    come_to_terms(stream, speaks, &terms).await.map_err(Unsettled::Client)
}

/// Finds out what a client speaks.
async fn come_to_terms(stream: Transport, speaks: Speaks, terms: &Terms) -> io::Result<Settled> {
    match (speaks, &terms.tls) {
        (Speaks::Plain, _) if terms.limits.speaks_h2c => told_apart(stream).await,
        (Speaks::Plain, _) => {
            Ok(Settled { socket: Socket::plain(stream, Bytes::new()), tls: None, protocol: Protocol::Http1 })
        }
        (Speaks::Tls, Some(acceptor)) => {
            let (stream, handshake) = shake_hands(stream, acceptor).await?;
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2);
            let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
            Ok(Settled { socket: Socket::tls(stream), tls: Some(handshake), protocol })
        }
        (Speaks::Tls, None) => Err(io::Error::other("there is no certificate")),
    }
}

/// In plain text a client that speaks HTTP/2 begins with its preface (RFC 9113, 3.3 and 3.4), which no request does.
async fn told_apart(mut stream: Transport) -> io::Result<Settled> {
    let mut head = BytesMut::with_capacity(PREFACE.len());
    let is_preface = loop {
        let missing = PREFACE.len() - head.len();
        if stream.read_buf(&mut (&mut head).limit(missing)).await? == 0 {
            break false;
        }
        if !PREFACE.starts_with(&head) {
            break false;
        }
        if head.len() == PREFACE.len() {
            break true;
        }
    };
    let protocol = if is_preface { Protocol::Http2 } else { Protocol::Http1 };
    Ok(Settled { socket: Socket::plain(stream, head.freeze()), tls: None, protocol })
}

async fn shake_hands(mut stream: Transport, acceptor: &Acceptor) -> io::Result<(TlsStream<Transport>, Handshake)> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::NotConnected.into());
    }
    // No message of TLS begins with a letter, and every request of HTTP does.
    if first.iter().all(u8::is_ascii_alphabetic) {
        // What lies unread would make the system throw our answer away.
        let _request = stream.read(&mut vec![0; 4096]).await?;
        stream.write_all(TLS_ALONE.as_bytes()).await?;
        stream.shutdown().await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks plain http"));
    }
    acceptor.accept(stream).await
}
