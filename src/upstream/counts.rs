//! How many connections upstreams were asked for, took, and have.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counted for the whole process, under whatever configuration. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct ConnectionCounts(Arc<Mutex<BTreeMap<Arc<str>, Arc<OfOne>>>>);

/// One upstream's. Touched when a connection begins or ends, and by no request that finds one.
#[derive(Debug, Default)]
pub(super) struct OfOne {
    opened: AtomicU64,
    failed: AtomicU64,
    closed: AtomicU64,
}

/// What came of one upstream's so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// Connections that it took.
    pub opened: u64,
    /// That it did not take, or not in time.
    pub failed: u64,
    /// That are open: in use or kept for the next request, without those that speak another protocol by now.
    pub open: u64,
}

impl ConnectionCounts {
    pub(super) fn of(&self, upstream: &Arc<str>) -> Arc<OfOne> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(Arc::clone(upstream)).or_default())
    }

    /// All upstreams', by name.
    pub fn all(&self) -> Vec<Connections> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = |(upstream, counts): (&Arc<str>, &Arc<OfOne>)| {
            // Read first, so that what closes meanwhile does not make it negative.
            let closed = counts.closed.load(Ordering::Acquire);
            let opened = counts.opened.load(Ordering::Acquire);
            let failed = counts.failed.load(Ordering::Relaxed);
            Connections { upstream: Arc::clone(upstream), opened, failed, open: opened.saturating_sub(closed) }
        };
        all.iter().map(of_one).collect()
    }
}

impl OfOne {
    /// A connection was taken; it is open for as long as what is returned lives.
    pub(super) fn opened(self: &Arc<Self>) -> Open {
        self.opened.fetch_add(1, Ordering::Release);
        Open(Arc::clone(self))
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Open(Arc<OfOne>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Release);
    }
}
