//! The thread that owns the database: it carries out every call, in groups that share one sync.
//!
//! One thread, because then decisions such as "is this openid bound already" need no lock, and because a call that reads
//! can never see, and so promise, what a power cut could still take away. Calls arrive far apart (logins), and a read
//! from the cache takes microseconds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::counts::StoreCounts;
use super::failure::Failure;
use super::state::State;
use super::trees::Trees;

/// The most calls that share one sync.
const GROUP: usize = 512;

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

type Run = Box<dyn FnOnce(&Trees) -> Result<Answer, Broken> + Send>;

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
        let run = move |trees: &Trees| -> Result<Answer, Broken> {
            let outcome = match watched(|| step(trees)) {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(Failure::Refused(error))) => Err(error),
                Ok(Err(Failure::Broken(error))) => return Err(Broken::with(error.to_string(), answer)),
                Err(reason) => return Err(Broken::with(reason, answer)),
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
    Broken(Broken),
}

/// The database has failed, and these callers wait. They are to be dropped when the failure has been made known.
pub(super) struct Broken {
    pub(super) reason: String,
    unanswered: Vec<Box<dyn Send>>,
}

impl Broken {
    fn with(reason: String, waiting: impl Send + 'static) -> Self {
        Broken { reason, unanswered: vec![Box::new(waiting)] }
    }

    fn and(mut self, waiting: impl Send + 'static) -> Self {
        self.unanswered.push(Box::new(waiting));
        self
    }
}

/// Carries out calls until the end.
pub(super) fn serve(trees: &Trees, inbox: &Receiver<Message>, state: &State) -> End {
    loop {
        let (group, end) = next_group(inbox);
        state.busy();
        let outcome = carry_out(trees, group, &state.counts);
        state.idle();
        if let Err(broken) = outcome {
            return end.unwrap_or(End::Broken(broken));
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

fn carry_out(trees: &Trees, group: Vec<Call>, counts: &StoreCounts) -> Result<(), Broken> {
    let mut written = false;
    let mut answers = Vec::with_capacity(group.len());
    let mut group = group.into_iter();
    while let Some(call) = group.next() {
        let answer = match (call.run)(trees) {
            Ok(answer) => answer,
            Err(broken) => return Err(broken.and(answers).and(group)),
        };
        match call.access {
            Access::Read => counts.read(),
            Access::Write => {
                counts.wrote();
                written = true;
            }
        }
        if written {
            answers.push(answer);
        } else {
            answer();
        }
    }
    if written {
        let begun = Instant::now();
        match watched(|| trees.commit()) {
            Ok(Ok(())) => counts.committed(begun.elapsed()),
            Ok(Err(error)) => return Err(Broken::with(error.to_string(), answers)),
            Err(reason) => return Err(Broken::with(reason, answers)),
        }
    }
    answers.into_iter().for_each(|answer| answer());
    Ok(())
}

/// What `work` returns, or the words it panicked with: a panic inside sled costs the database, not the process.
fn watched<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| format!("it panicked: {}", message_of(&*panic)))
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
