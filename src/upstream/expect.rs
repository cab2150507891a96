//! `Expect: 100-continue` (RFC 9110, 10.1.1).
//!
//! hyper's server says 100 as soon as a body is polled, and its client polls at once. So the body is held until the
//! upstream has said 100, or has not answered at all for a while: many servers never do.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{EXPECT, HeaderMap};
use http::{Request, StatusCode};
use tokio::sync::Notify;

/// As long as curl waits before it sends the body anyway.
const PATIENCE: Duration = Duration::from_secs(1);

/// Holds a body back until it is wanted.
pub(super) struct Gate(Pin<Box<dyn Future<Output = ()>>>);

impl Gate {
    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// Tells a gate that the upstream wants the body.
pub(super) struct Opener(Arc<Notify>);

/// A gate, and what opens it, if the client waits for 100.
pub(super) fn gate(headers: &HeaderMap) -> Option<(Gate, Opener)> {
    is_expected(headers).then(|| {
        let wanted = Arc::new(Notify::new());
        let waiting = Arc::clone(&wanted).notified_owned();
        let gate = Box::pin(async move {
            let _ = tokio::time::timeout(PATIENCE, waiting).await;
        });
        (Gate(gate), Opener(wanted))
    })
}

/// Whether the client waits for 100.
pub(super) fn is_expected(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue"))
}

impl Opener {
    /// Opens the gate when the upstream says 100.
    pub(super) fn watch<B>(self, request: &mut Request<B>) {
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                self.0.notify_one();
            }
        });
    }
}
