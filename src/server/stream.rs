//! The streams of one connection: a client that leaves one unread loses that one, and keeps the others.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::Answering;

/// Runs a connection's streams, on its own core. Clones are one and the same.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    /// How long an answer may be left unread.
    patience: Duration,
    /// Of which stream the next is that is to be run: the one whose request has just been taken, since hyper hands over
    /// what runs it right after, or the one that is running now, which may go on as another protocol.
    next: Rc<RefCell<Option<Stream>>>,
}

/// What is known of one stream. Clones are one and the same: with the last one gone the stream is over.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream(Rc<StreamState>);

#[derive(Debug, Default)]
struct StreamState {
    /// Since when a piece of the answer waits to be taken by the client.
    waiting_since: Cell<Option<Instant>>,
    /// Keeps the connection busy until the stream is over.
    _answering: Option<Answering>,
}

impl Streams {
    pub(super) fn new(patience: Duration) -> Self {
        Streams { patience, next: Rc::default() }
    }

    /// A request has come.
    pub(super) fn begin(&self, answering: Answering) -> Stream {
        self.begin_as(Stream(Rc::new(StreamState { waiting_since: Cell::new(None), _answering: Some(answering) })))
    }

    fn begin_as(&self, stream: Stream) -> Stream {
        self.next.replace(Some(stream.clone()));
        stream
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        let stream = self.next.take().unwrap_or_default();
        tokio::task::spawn_local(Run { future, stream, streams: self.clone(), timer: None });
    }
}

pin_project! {
    /// Runs a stream until it is done, or left unread for too long. Dropped, it is reset.
    struct Run<F> {
        #[pin]
        future: F,
        stream: Stream,
        streams: Streams,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Run<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.streams.next.replace(Some(this.stream.clone()));
        let polled = this.future.poll(cx);
        this.streams.next.take();
        if polled.is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = this.stream.0.waiting_since.get() else { return Poll::Pending };
        let deadline = since + this.streams.patience;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }
}

pin_project! {
    /// An answer's body, which tells whether the client takes it.
    pub(super) struct Watched<B> {
        #[pin]
        body: B,
        stream: Stream,
    }
}

impl<B> Watched<B> {
    pub(super) fn new(body: B, stream: Stream) -> Self {
        Watched { body, stream }
    }
}

impl<B: Body<Data = Bytes>> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        // hyper asks for a piece once the client has taken the one before.
        let frame = this.body.poll_frame(cx);
        this.stream.0.waiting_since.set(frame.is_ready().then(Instant::now));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;
    use tokio::task::LocalSet;

    use super::*;

    /// Ready, with an error, once what it was made with is dropped.
    type Gone = oneshot::Receiver<()>;

    fn run(streams: &Streams, is_waiting: bool) -> Gone {
        let stream = streams.begin_as(Stream::default());
        stream.0.waiting_since.set(is_waiting.then(Instant::now));
        let (held, gone) = oneshot::channel::<()>();
        streams.execute(async move {
            let _held = held;
            pending().await
        });
        gone
    }

    #[tokio::test]
    async fn a_stream_whose_answer_nobody_takes_is_given_up_and_the_others_go_on() {
        let streams = Streams::new(Duration::from_millis(20));
        let within = async {
            let (unread, mut working) = (run(&streams, true), run(&streams, false));
            assert!(unread.await.is_err());
            assert_eq!(working.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        };
        LocalSet::new().run_until(within).await;
    }
}
