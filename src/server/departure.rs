//! Whether a client has left while nobody reads from its socket.
//!
//! hyper notices a client that leaves by reading ahead. It does not while it holds bytes that nobody has asked for yet: a
//! request that was sent ahead, a line end too many, a body that the upstream does not take. What works for that client
//! would go on for nobody, so from time to time the socket itself is asked.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::time::{Instant, Sleep, sleep};

use super::transport::Transport;

/// How often the socket is asked: an upstream works for nobody for so long at most.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Watches one client's socket.
#[derive(Default)]
pub(super) struct Departure {
    timer: Option<Pin<Box<Sleep>>>,
    /// Since it was asked last.
    is_read_from: bool,
}

impl Departure {
    /// What a read came to: while it waits for bytes, it notices the end by itself.
    pub(super) fn read(&mut self, is_waiting: bool) {
        self.is_read_from = is_waiting;
    }

    /// Ready once the client has left. To be asked while a request is being answered.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, stream: &Transport) -> Poll<()> {
        // Each time anew: hyper may have given up reading since.
        if std::mem::take(&mut self.is_read_from) {
            return Poll::Pending;
        }
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(ASK_EVERY)));
            ready!(timer.as_mut().poll(cx));
            timer.as_mut().reset(Instant::now() + ASK_EVERY);
            if has_left(stream) {
                return Poll::Ready(());
            }
        }
    }
}

/// Whether the other side has closed or reset the connection, whatever still lies unread before that.
fn has_left(stream: &Transport) -> bool {
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    let mut asked = [PollFd::new(stream, gone)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Whoever cannot be asked is taken to be there.
    let _ = poll(&mut asked, Some(&at_once));
    asked.iter().any(|fd| fd.revents().intersects(gone))
}
