//! From an answer to the connection: whole, late, cut, or not at all.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::bomb;

/// One way in which an answer can arrive badly.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireFault {
    /// The answer waits until the switches are cleared or released.
    Hold,
    /// The connection stays open and nothing is said.
    Silence,
    /// The head comes so many milliseconds late.
    SlowHead(u64),
    /// So many milliseconds pass before each byte of the body.
    SlowBody(u64),
    /// The connection ends in the middle of the length that was promised.
    CutBody,
    /// The connection ends in the middle of a chunked body.
    CutChunk,
    /// The connection is reset instead of an answer.
    ResetBeforeHead,
    /// The connection is reset after the head.
    ResetAfterHead,
    /// 64 MiB, by their length.
    Huge,
    /// Chunks without end.
    Endless,
    /// A gzip file that unpacks to 64 MiB.
    GzipBomb,
    /// This status, with a page of HTML.
    Status(u16),
    /// A redirect to this address.
    Redirect(String),
    /// Another Content-Type, or none.
    ContentType(Option<String>),
}

/// An answer before it meets the wire.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// Status 200 with the Content-Type that QQ gives everything.
    pub(super) fn new(body: impl Into<Vec<u8>>) -> Self {
        let mut reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() };
        reply.set(CONTENT_TYPE, "text/html");
        reply
    }

    /// A redirect by 302.
    pub(super) fn redirect(location: &str) -> Self {
        let mut reply = Reply::new("");
        reply.status = StatusCode::FOUND;
        reply.set(LOCATION, location);
        reply
    }

    /// Sets a header; a value no header can hold leaves it out.
    pub(super) fn set(&mut self, name: HeaderName, value: &str) {
        match HeaderValue::from_bytes(value.as_bytes()) {
            Ok(value) => drop(self.headers.insert(name, value)),
            Err(_) => drop(self.headers.remove(name)),
        }
    }
}

/// The connection ends here, on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the simulator ended the connection as it was told to")]
pub(super) struct Ended;

/// What goes out.
pub(super) type Body = UnsyncBoxBody<Bytes, Ended>;

/// The answer as the faults leave it. `released` tells held answers to go; `reset` makes the connection's end a reset.
pub(super) async fn send(
    mut reply: Reply,
    faults: &[WireFault],
    released: &mut watch::Receiver<u64>,
    reset: &AtomicBool,
) -> Result<Response<Body>, Ended> {
    let mut body = None;
    for fault in faults {
        match fault {
            WireFault::Hold => drop(released.changed().await),
            WireFault::Silence => std::future::pending().await,
            WireFault::SlowHead(millis) => tokio::time::sleep(Duration::from_millis(*millis)).await,
            WireFault::SlowBody(millis) => body = Some(slow(&reply.body, Duration::from_millis(*millis))),
            WireFault::CutBody => {
                reply.set(CONTENT_LENGTH, &(reply.body.len() + 100).to_string());
                body = Some(cut(&reply.body));
            }
            WireFault::CutChunk => body = Some(cut(&reply.body)),
            WireFault::ResetBeforeHead => {
                reset.store(true, Ordering::Release);
                return Err(Ended);
            }
            WireFault::ResetAfterHead => {
                reset.store(true, Ordering::Release);
                reply.set(CONTENT_LENGTH, &(reply.body.len() + 100).to_string());
                body = Some(cut(&[]));
            }
            WireFault::Huge => {
                reply.set(CONTENT_LENGTH, &(1024 * PIECE.len()).to_string());
                body = Some(streamed(blanks().take(1024)));
            }
            WireFault::Endless => body = Some(streamed(blanks())),
            WireFault::GzipBomb => {
                reply.set(CONTENT_ENCODING, "gzip");
                reply.body = bomb::gzip();
            }
            WireFault::Status(status) => {
                reply.status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                reply.body = format!("<html><body><h1>{}</h1></body></html>\n", reply.status).into_bytes();
            }
            WireFault::Redirect(location) => {
                reply.status = StatusCode::FOUND;
                reply.set(LOCATION, location);
            }
            WireFault::ContentType(Some(value)) => reply.set(CONTENT_TYPE, value),
            WireFault::ContentType(None) => drop(reply.headers.remove(CONTENT_TYPE)),
        }
    }
    let body = body.unwrap_or_else(|| whole(reply.body));
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

/// A body that is sent as it is.
pub(super) fn whole(body: Vec<u8>) -> Body {
    Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// 64 KiB of nothing.
static PIECE: [u8; 64 * 1024] = [b' '; 64 * 1024];

fn blanks() -> impl Stream<Item = Result<Bytes, Ended>> {
    stream::repeat_with(|| Ok(Bytes::from_static(&PIECE)))
}

fn slow(body: &[u8], pause: Duration) -> Body {
    let bytes: Vec<Bytes> = body.chunks(1).map(Bytes::copy_from_slice).collect();
    streamed(stream::iter(bytes).then(move |byte| async move {
        tokio::time::sleep(pause).await;
        Ok(byte)
    }))
}

/// The first half of a body, and then the end of the connection.
fn cut(body: &[u8]) -> Body {
    let half = Bytes::copy_from_slice(body.get(..body.len() / 2).unwrap_or_default());
    let end = stream::once(async {
        // Lets the half be sent before the connection is told to end.
        tokio::task::yield_now().await;
        Err(Ended)
    });
    streamed(stream::once(async { Ok(half) }).chain(end))
}

fn streamed(pieces: impl Stream<Item = Result<Bytes, Ended>> + Send + 'static) -> Body {
    StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
}
