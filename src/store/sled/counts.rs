//! What the committer thread has done, for everybody to read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counted since the process began, over every time that the database was opened. Written by one thread.
#[derive(Debug, Default)]
pub struct StoreCounts {
    reads: AtomicU64,
    writes: AtomicU64,
    commits: AtomicU64,
    commit_nanos: AtomicU64,
    reopened: AtomicU64,
}

impl StoreCounts {
    pub(super) fn read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, within: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        self.commit_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn reopened(&self) {
        self.reopened.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that were carried out and only read.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Calls that were carried out and may have written.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Times that the disk was waited for; calls that come together share one.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// How long it took, all together.
    pub fn commit_time(&self) -> Duration {
        Duration::from_nanos(self.commit_nanos.load(Ordering::Relaxed))
    }

    /// Times that the database failed and was opened again.
    pub fn reopenings(&self) -> u64 {
        self.reopened.load(Ordering::Relaxed)
    }
}
