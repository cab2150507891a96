//! Connections on which nothing was asked yet. They cost others nothing: where there is no place left, the one that has been
//! silent for longest gives its own up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// All of them, the oldest first. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Silent(Arc<All>);

#[derive(Debug, Default)]
struct All {
    queue: Mutex<VecDeque<(u64, oneshot::Sender<()>)>>,
    next: AtomicU64,
}

/// One of them, until it is heard or dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    all: Silent,
    number: u64,
}

impl Silent {
    /// One more, and what tells it that its place is wanted.
    pub(super) fn enter(&self) -> (Waiting, oneshot::Receiver<()>) {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (leave, wanted) = oneshot::channel();
        self.queue().push_back((number, leave));
        (Waiting { all: self.clone(), number }, wanted)
    }

    /// Has the oldest leave, if there is one.
    pub(super) fn give_way(&self) {
        if let Some((_, leave)) = self.queue().pop_front() {
            // One that has just ended leaves anyway.
            let _ = leave.send(());
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<(u64, oneshot::Sender<()>)>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Something was asked: from now on its place is its own.
    pub(super) fn heard(&self) {
        self.all.queue().retain(|(number, _)| *number != self.number);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.heard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_was_not_heard_gives_way() {
        let silent = Silent::default();
        let [mut heard, mut gone, mut oldest, mut newest] = [(); 4].map(|()| silent.enter());
        heard.0.heard();
        drop(gone.0);
        silent.give_way();
        assert_eq!(oldest.1.try_recv(), Ok(()));
        for others in [&mut heard.1, &mut gone.1, &mut newest.1] {
            assert!(others.try_recv().is_err());
        }
        silent.give_way();
        silent.give_way();
        assert_eq!(newest.1.try_recv(), Ok(()));
    }
}
