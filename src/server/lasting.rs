//! A connection of HTTP/2 outlives a `CONNECT` that hyper refuses.
//!
//! One whose `content-length` is not 0 has its stream reset, as it should, and then hyper counts the connection as over,
//! with all that others have on it (1.12, `proto/h2/server.rs`): behind a proxy that shares its connections that is
//! everybody. All that hyper has of the connection is whole then, and goes on once it is asked again.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::activity::Activity;
use crate::rule::{self, Rule};

/// After how many that came at once others of this core have their turn.
const AT_ONCE: usize = 100;

pin_project! {
    /// hyper's connection, asked again for as long as its socket is open.
    pub(super) struct Lasting<C, F> {
        #[pin]
        connection: C,
        activity: Activity,
        // Called for each `CONNECT` that was refused.
        refused: F,
    }
}

impl<C, F> Lasting<C, F> {
    pub(super) fn new(connection: C, activity: Activity, refused: F) -> Self {
        Lasting { connection, activity, refused }
    }

    /// What is asked again.
    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<C: Future<Output = hyper::Result<()>>, F: FnMut()> Future for Lasting<C, F> {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        for _ in 0..AT_ONCE {
            match this.connection.as_mut().poll(cx) {
                // What has really ended has shut its socket down, or found it ended.
                Poll::Ready(Ok(()))
                    if !this.activity.is_over() && rule::holds(Rule::ARefusedConnectEndsNothingElse) =>
                {
                    (this.refused)();
                }
                polled @ (Poll::Ready(_) | Poll::Pending) => return polled,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
