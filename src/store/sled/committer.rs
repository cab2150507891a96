//! The thread that owns the database: it carries out every call, in groups that share one sync.
//!
//! One thread, because then decisions such as "is this openid bound already" need no lock, and because a call that reads
//! can never see, and so promise, what a power cut could still take away. Calls arrive far apart (logins), and a read
//! from the cache takes microseconds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError};

use tokio::sync::oneshot;

use super::failure::Failure;
use super::trees::Trees;

/// The most calls that share one sync.
pub(super) const GROUP: usize = 512;

/// What reaches the thread.
pub(super) enum Message {
    /// A call to carry out.
    Call(Call),
    /// Let go of everything, then answer.
    Close(oneshot::Sender<()>),
}

/// Whether a call may write, so that it must not be answered before a sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Read,
    Write,
}

/// One call and the way back to its caller.
pub(super) struct Call {
    access: Access,
    run: Run,
}

type Run = Box<dyn FnOnce(&Trees) -> Result<Answer, sled::Error> + Send>;

/// Tells the caller what came of it. Dropped instead, it tells that the store has failed.
type Answer = Box<dyn FnOnce() + Send>;

impl Call {
    /// A call that takes `step`; what it returns comes through the receiver once it is certain.
    pub(super) fn new<T, E>(
        access: Access,
        step: impl FnOnce(&Trees) -> Result<T, Failure<E>> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T, E>>)
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let run = move |trees: &Trees| -> Result<Answer, sled::Error> {
            let outcome = match step(trees) {
                Ok(value) => Ok(value),
                Err(Failure::Refused(error)) => Err(error),
                Err(Failure::Broken(error)) => return Err(error),
            };
            // The caller may have gone away; what was written stays written.
            Ok(Box::new(move || drop(answer.send(outcome))))
        };
        (Call { access, run: Box::new(run) }, answered)
    }
}

/// Why [`serve`] came back.
pub(super) enum End {
    /// Somebody asked for it and waits for the answer, or nobody is left to ask.
    Closed(Option<oneshot::Sender<()>>),
    /// The database has failed.
    Broken(String),
}

/// Carries out calls until the end.
pub(super) fn serve(trees: &Trees, inbox: &Receiver<Message>) -> End {
    loop {
        let (group, end) = next_group(inbox);
        match catch_unwind(AssertUnwindSafe(|| carry_out(trees, group))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return End::Broken(error.to_string()),
            Err(panic) => return End::Broken(format!("it panicked: {}", message_of(&*panic))),
        }
        if let Some(end) = end {
            return end;
        }
    }
}

/// Waits for a call, and takes what else has come by then.
fn next_group(inbox: &Receiver<Message>) -> (Vec<Call>, Option<End>) {
    let mut group = Vec::new();
    let mut message = inbox.recv().map_err(|_| TryRecvError::Disconnected);
    loop {
        match message {
            Ok(Message::Call(call)) => group.push(call),
            Ok(Message::Close(done)) => return (group, Some(End::Closed(Some(done)))),
            Err(TryRecvError::Disconnected) => return (group, Some(End::Closed(None))),
            Err(TryRecvError::Empty) => return (group, None),
        }
        if group.len() > GROUP {
            return (group, None);
        }
        message = inbox.try_recv();
    }
}

fn carry_out(trees: &Trees, group: Vec<Call>) -> Result<(), sled::Error> {
    let mut written = false;
    let mut answers = Vec::with_capacity(group.len());
    for call in group {
        let answer = (call.run)(trees)?;
        written |= call.access == Access::Write;
        if written {
            answers.push(answer);
        } else {
            answer();
        }
    }
    if written {
        trees.commit()?;
    }
    answers.into_iter().for_each(|answer| answer());
    Ok(())
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
