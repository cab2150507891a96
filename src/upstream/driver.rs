//! What moves a connection's bytes.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use tokio::task::{AbortHandle, unconstrained};

use super::counts::Open;

/// Moves a connection's bytes. While it is here, whoever uses the connection polls it, in their own task, so that none other
/// has to be woken to and fro for each request; nobody does while the connection is unused. Dropped, the connection is closed
/// at once: left to itself, hyper would still send the rest of a request whose answer nobody waits for.
pub(super) struct Driver {
    place: Place,
    /// Whether the other end has no room for something that was to be written.
    is_full: Arc<AtomicBool>,
    _open: Open,
}

enum Place {
    /// With whoever uses the connection.
    Here(Here),
    /// In a task of its own.
    Away(AbortHandle),
    /// The connection is over, or somebody else's.
    Nowhere,
}

/// hyper's half of a connection.
type Half<'a> = Pin<&'a mut (dyn Future<Output = hyper::Result<()>> + 'static)>;

struct Here {
    connection: Pin<Box<dyn Future<Output = hyper::Result<()>>>>,
    user: Arc<User>,
    /// Of the user, whoever that is.
    waker: Waker,
}

/// Who is woken when there is something to be moved: the task that uses the connection now.
#[derive(Default)]
struct User {
    task: AtomicWaker,
    is_looking: AtomicBool,
    /// There was somebody to be woken while they looked.
    has_missed: AtomicBool,
}

impl Wake for User {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_looking.load(Ordering::Relaxed) {
            self.has_missed.store(true, Ordering::Relaxed);
        } else {
            self.task.wake();
        }
    }
}

impl Driver {
    /// `connection`: hyper's half of it. `is_full`: of the stream that it writes to.
    pub(super) fn new(
        connection: impl Future<Output = hyper::Result<()>> + 'static,
        is_full: Arc<AtomicBool>,
        open: Open,
    ) -> Self {
        let user = Arc::<User>::default();
        let here = Here { connection: Box::pin(connection), waker: Waker::from(Arc::clone(&user)), user };
        Driver { place: Place::Here(here), is_full, _open: open }
    }

    /// Whether nothing moves unless it is polled.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.place, Place::Here(_))
    }

    /// Whether something was taken to be sent that has not left yet.
    pub(super) fn holds_back(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Moves what can be moved. What goes wrong here reaches whoever waits for the answer.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Place::Here(here) = &self.place {
            here.user.task.register(cx.waker());
        }
        self.move_bytes(|connection, cx| connection.poll(cx));
    }

    /// Moves what can be moved, and has nobody woken when there is more: whatever else the task has done, it is looked at.
    pub(super) fn poll_once(&mut self) {
        if let Place::Here(here) = &self.place {
            here.user.task.take();
        }
        self.move_bytes(|connection, cx| pin!(unconstrained(connection)).poll(cx));
    }

    fn move_bytes(&mut self, poll: impl FnOnce(Half<'_>, &mut Context<'_>) -> Poll<hyper::Result<()>>) {
        if let Place::Here(here) = &mut self.place
            && poll(here.connection.as_mut(), &mut Context::from_waker(&here.waker)).is_ready()
        {
            self.place = Place::Nowhere;
        }
    }

    /// Looks at what has been moved here. What is taken makes room for more, for which nobody has to be woken who polls as
    /// soon as there is nothing left to take.
    pub(super) fn look<T>(&self, cx: &mut Context<'_>, mut look: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let Place::Here(here) = &self.place else { return look(cx) };
        here.user.is_looking.store(true, Ordering::Relaxed);
        // Nobody but the driver could bring it: no waker is needed, and the budget of tasks, which would wake it, is not asked.
        let seen = pin!(unconstrained(poll_fn(look))).poll(&mut Context::from_waker(Waker::noop()));
        here.user.is_looking.store(false, Ordering::Relaxed);
        if here.user.has_missed.swap(false, Ordering::Relaxed) && seen.is_pending() {
            cx.waker().wake_by_ref();
        }
        seen
    }

    /// Has a task of its own move what is left, as long as this lives.
    pub(super) fn send_away(&mut self) {
        self.place = match mem::replace(&mut self.place, Place::Nowhere) {
            Place::Here(Here { connection, .. }) => {
                let moving = async move {
                    // As above.
                    let _ = connection.await;
                };
                Place::Away(tokio::task::spawn_local(moving).abort_handle())
            }
            place @ (Place::Away(_) | Place::Nowhere) => place,
        };
    }

    /// Leaves the connection to end by itself, as one that is handed over to another protocol.
    pub(super) fn leave_alone(&mut self) {
        self.send_away();
        self.place = Place::Nowhere;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Place::Away(task) = &self.place {
            task.abort();
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("is_here", &self.is_here()).finish_non_exhaustive()
    }
}
