//! Keeps the store going: serves until the database fails, lets go of it, and opens it again with growing pauses.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::committer::{self, End, Message};
use super::open::{OpenError, Opener};
use super::state::State;
use super::trees::Trees;

/// How patient the store is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long to wait for another process to let go of the store.
    pub(super) lock_patience: Duration,
    /// The pause before the first try to reopen; each further one is twice as long.
    pub(super) first_pause: Duration,
    /// The longest pause between tries.
    pub(super) longest_pause: Duration,
    /// How long the disk may take over one group of calls before new ones are refused. Those that wait already go on
    /// waiting: what they wrote may yet succeed.
    pub(super) stuck_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            // A large process that was killed takes a second or two to be torn down.
            lock_patience: Duration::from_secs(5),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            stuck_after: Duration::from_secs(5),
        }
    }
}

/// The thread's whole life.
pub(super) fn keep(opener: Opener, first: Trees, inbox: &Receiver<Message>, state: &Arc<State>, pace: Pace) {
    let mut trees = first;
    let closed = loop {
        match committer::serve(&trees, inbox, state) {
            End::Closed(done) => {
                state.down("it is closed".to_owned());
                trees.release();
                break done;
            }
            End::Broken(broken) => {
                let reason = &broken.reason;
                tracing::error!(reason, "the store has failed; logins are refused until it is reopened");
                state.down(format!("the database has failed and is being reopened: {reason}"));
                drop(broken);
                trees.release();
            }
        }
        match reopen(&opener, inbox, state, pace) {
            Ok(reopened) => trees = reopened,
            Err(Closed(done)) => {
                state.down("it is closed".to_owned());
                break done;
            }
        }
        tracing::info!("the store is open again");
        state.counts.reopened();
        state.serving();
    };
    drop(opener);
    if let Some(done) = closed {
        let _ = done.send(());
    }
}

/// The store was closed before it could be reopened.
struct Closed(Option<oneshot::Sender<()>>);

fn reopen(opener: &Opener, inbox: &Receiver<Message>, state: &State, pace: Pace) -> Result<Trees, Closed> {
    let mut pause = pace.first_pause;
    loop {
        refuse_calls(inbox, pause)?;
        match opener.reopen() {
            Ok(trees) => return Ok(trees),
            Err(error) => {
                let reason = with_causes(&error);
                tracing::error!(reason, retry_in = ?pause, "the store cannot be reopened");
                state.down(format!("the database has failed and cannot be reopened: {reason}"));
            }
        }
        pause = (pause * 2).min(pace.longest_pause);
    }
}

/// Drops, and so refuses, whatever comes within `pause`.
fn refuse_calls(inbox: &Receiver<Message>, pause: Duration) -> Result<(), Closed> {
    let end = Instant::now() + pause;
    loop {
        match inbox.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Message::Call(call)) => drop(call),
            Ok(Message::Close(done)) => return Err(Closed(Some(done))),
            Err(RecvTimeoutError::Disconnected) => return Err(Closed(None)),
            Err(RecvTimeoutError::Timeout) => return Ok(()),
        }
    }
}

/// The error's words and those of whatever caused it.
fn with_causes(error: &OpenError) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
