//! How often what requests present was known already: what tells whether `session.cache` is large enough.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

/// Counted for the whole process, under whatever configuration. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Lookups(Arc<All>);

#[derive(Debug, Default)]
struct All {
    /// What each core has found among its own.
    by_core: Mutex<HashMap<ThreadId, Arc<AtomicU64>>>,
    by_another_core: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
}

/// What came of them so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookupCounts {
    /// Known from an earlier request.
    pub remembered: u64,
    /// Opened or verified, and remembered from then on.
    pub opened: u64,
    /// Sealed or signed by nobody here.
    pub refused: u64,
}

/// Counts what one core finds among its own.
#[derive(Debug)]
pub(super) struct CoreLookups(Arc<AtomicU64>);

impl Lookups {
    /// The counter of the core that this is called on.
    pub(super) fn of_this_core(&self) -> CoreLookups {
        let mut cores = self.0.by_core.lock().unwrap_or_else(PoisonError::into_inner);
        CoreLookups(Arc::clone(cores.entry(thread::current().id()).or_default()))
    }

    pub(super) fn known_by_another_core(&self) {
        self.0.by_another_core.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them.
    pub fn counts(&self) -> LookupCounts {
        let cores = self.0.by_core.lock().unwrap_or_else(PoisonError::into_inner);
        let by_core: u64 = cores.values().map(|core| core.load(Ordering::Relaxed)).sum();
        LookupCounts {
            remembered: by_core + self.0.by_another_core.load(Ordering::Relaxed),
            opened: self.0.opened.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }
}

impl CoreLookups {
    pub(super) fn remembered(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
