//! Whether the store serves, for everybody to read without waiting.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::counts::StoreCounts;
use crate::store::Error;

/// Written by the committer thread alone.
#[derive(Debug)]
pub(super) struct State {
    /// Why the store does not serve; `None` while it does.
    trouble: ArcSwapOption<String>,
    /// Since when the thread has been at one group of calls; `None` while it waits for some.
    busy_since: Mutex<Option<Instant>>,
    /// How long one group may take before the disk counts as stuck.
    stuck_after: Duration,
    pub(super) counts: Arc<StoreCounts>,
}

impl State {
    pub(super) fn new(stuck_after: Duration) -> Self {
        State { trouble: ArcSwapOption::empty(), busy_since: Mutex::new(None), stuck_after, counts: Arc::default() }
    }

    pub(super) fn serving(&self) {
        self.trouble.store(None);
    }

    pub(super) fn down(&self, reason: String) {
        self.trouble.store(Some(reason.into()));
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a disk keeps no test's time, and a paused clock would call it stuck"
    )]
    pub(super) fn busy(&self) {
        *self.busy_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn idle(&self) {
        *self.busy_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// `Ok` while the store serves.
    pub(super) fn check(&self) -> Result<(), Error> {
        if let Some(reason) = &*self.trouble.load() {
            return Err(Error::Unavailable { reason: reason.to_string() });
        }
        let busy_since = *self.busy_since.lock().unwrap_or_else(PoisonError::into_inner);
        match busy_since.map(|since| since.elapsed()) {
            Some(busy) if busy > self.stuck_after => {
                Err(Error::Unavailable { reason: format!("the disk has not answered for {}s", busy.as_secs()) })
            }
            _ => Ok(()),
        }
    }

    /// What a call gets that was dropped unanswered.
    pub(super) fn dropped(&self) -> Error {
        self.check().err().unwrap_or_else(|| Error::Unavailable {
            reason: "the database failed while this call waited; it may or may not have been carried out".to_owned(),
        })
    }
}
