//! How many requests are under way at once, of all applications together, until the last byte of each answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counted for the whole process, where there is a limit. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    turned_away: AtomicU64,
}

/// A request that is under way for as long as this lives.
#[derive(Debug)]
pub(super) struct UnderWay(InFlight);

/// As many are under way as may be.
#[derive(Debug)]
pub(super) struct Full;

impl InFlight {
    /// One more, where there is room.
    pub(super) fn begin(&self, most: usize) -> Result<UnderWay, Full> {
        let counts = &self.0;
        let begun =
            counts.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < most).then_some(now + 1));
        match begun {
            Ok(_) => Ok(UnderWay(self.clone())),
            Err(_) => {
                counts.turned_away.fetch_add(1, Ordering::Relaxed);
                Err(Full)
            }
        }
    }

    /// How many are under way; none where there is no limit.
    pub fn count(&self) -> usize {
        self.0.now.load(Ordering::Relaxed)
    }

    /// How many there was no room for.
    pub fn turned_away(&self) -> u64 {
        self.0.turned_away.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}
