//! How many requests an upstream has at once, and how long one more waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::balance::Group;
use super::{Error, Settings};

/// Until when an upstream is no longer asked for more than it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Requests under way at once, all cores together, each until the last byte of its answer.
    pub requests: usize,
    /// Requests that wait for room; one more is turned away.
    pub waiting: usize,
    /// How long one waits.
    pub patience: Duration,
}

/// Lets requests in, as many at once as the limit says; those who wait, in the order in which they came.
#[derive(Debug)]
pub(super) struct Admission {
    bounds: Option<(Limit, Arc<Semaphore>)>,
    upstream: Arc<str>,
    group: Arc<Group>,
}

/// A request's right to be under way. Given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Who waits, for the whole process.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: AtomicUsize,
    turned_away: AtomicU64,
}

impl Admission {
    pub(super) fn new(settings: &Settings, group: Arc<Group>) -> Self {
        let bounds = settings.limit.map(|limit| (limit, group.room(limit.requests)));
        Admission { bounds, upstream: Arc::clone(&settings.name), group }
    }

    /// Lets a request in, at once if there is room.
    ///
    /// # Errors
    /// There was none in time, or too many waited for it.
    pub(super) async fn enter(&self) -> Result<Admitted, Error> {
        let Some((limit, room)) = &self.bounds else { return Ok(Admitted::default()) };
        if let Ok(permit) = Arc::clone(room).try_acquire_owned() {
            return Ok(Admitted { _permit: Some(permit) });
        }
        // Seldom needed, and large.
        Box::pin(self.wait(*limit, Arc::clone(room))).await
    }

    async fn wait(&self, limit: Limit, room: Arc<Semaphore>) -> Result<Admitted, Error> {
        let queue = &self.group.queue;
        let full = || {
            queue.turned_away.fetch_add(1, Ordering::Relaxed);
            Error::Full { upstream: Arc::clone(&self.upstream), retry_after: limit.patience }
        };
        let Some(_place) = queue.join(limit.waiting) else { return Err(full()) };
        match timeout(limit.patience, room.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Admitted { _permit: Some(permit) }),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }
}

impl Queue {
    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Requests that were turned away.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    fn join(&self, most: usize) -> Option<Place<'_>> {
        let one_more = |waiting| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Place(self))
    }
}

/// A place in the queue.
struct Place<'q>(&'q Queue);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
