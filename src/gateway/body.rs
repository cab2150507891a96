//! What answers are made of: text of ours, or an upstream's body on its way through. Nothing is boxed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::in_flight::UnderWay;
use crate::telemetry::line::Line;
use crate::upstream::{RelayError, ResponseBody};

/// An answer's body, and the log line that is written when it is gone.
#[derive(Debug)]
pub struct AnswerBody {
    content: Content,
    line: Option<Box<Line>>,
    /// Held until it is gone.
    under_way: Option<UnderWay>,
    /// Whether the last of it has been asked for, whatever came of that.
    is_over: bool,
    /// What it breaks off with, as soon as what came before has been handed to the client.
    failing: Option<RelayError>,
}

/// Nobody took the rest of an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut off: the client left, or the proxy was stopped")]
struct CutOff;

#[derive(Debug)]
enum Content {
    Own(Option<Bytes>),
    Relayed(ResponseBody),
}

impl AnswerBody {
    /// Text of ours.
    pub fn own(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        AnswerBody {
            content: Content::Own((!text.is_empty()).then_some(text)),
            line: None,
            under_way: None,
            is_over: false,
            failing: None,
        }
    }

    /// An upstream's.
    pub fn relayed(body: ResponseBody) -> Self {
        AnswerBody { content: Content::Relayed(body), line: None, under_way: None, is_over: false, failing: None }
    }

    /// Takes away what no client would take for the answer's: hyper does so in HTTP/1.1 alone, and in HTTP/2 the stream would
    /// be malformed. The answer to HEAD has no content, of whatever length it says it would be (RFC 9110, 9.3.2); nor have
    /// 204, 205 and 304.
    pub(super) fn suit(response: &mut Response<AnswerBody>, is_head: bool) {
        let status = response.status();
        let has_none = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
        if !(is_head || has_none) {
            return;
        }
        let Content::Own(text) = &mut response.body_mut().content else { return };
        if let Some(text) = text.take().filter(|_| !has_none) {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        }
    }

    /// Has its request be under way for as long as it goes out.
    pub(super) fn counted(mut self, under_way: Option<UnderWay>) -> Self {
        self.under_way = under_way;
        self
    }

    /// Has a line written once the body has gone out, or has been given up.
    pub fn logged(mut self, line: Box<Line>) -> Self {
        self.line = Some(line);
        self
    }
}

impl Default for AnswerBody {
    fn default() -> Self {
        AnswerBody::own("")
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let is_whole = self.is_over || self.is_end_stream();
        let failing = self.failing.take();
        if let Some(line) = self.line.as_mut().filter(|line| !is_whole && line.has_body()) {
            match &failing {
                Some(error) => line.broken(error),
                None => line.broken(&CutOff),
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let frame = match (self.failing.take(), &mut self.content) {
            (Some(error), _) => Poll::Ready(Some(Err(error))),
            (None, Content::Own(text)) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            (None, Content::Relayed(body)) => match Pin::new(body).poll_frame(cx) {
                // hyper forgets with an error whatever it has yet to send, the head too, and the client could take it for a
                // request that nobody has looked at. Told that nothing has come, it sends what there is.
                Poll::Ready(Some(Err(error))) => {
                    self.failing = Some(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                polled @ (Poll::Ready(_) | Poll::Pending) => polled,
            },
        };
        // Nothing is asked for after trailers.
        self.is_over = match &frame {
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Pending => false,
        };
        if let Some(line) = &mut self.line {
            match &frame {
                Poll::Ready(Some(Ok(frame))) => line.sent(frame.data_ref().map_or(0, Bytes::len)),
                Poll::Ready(Some(Err(error))) => line.broken(error),
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(text) => text.is_none(),
            Content::Relayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Content::Relayed(body) => body.size_hint(),
        }
    }
}
