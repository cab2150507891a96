//! Whether the store serves, for everybody to read without waiting.

use arc_swap::ArcSwapOption;

use crate::store::Error;

/// Written by the committer thread alone.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Why the store does not serve; `None` while it does.
    trouble: ArcSwapOption<String>,
}

impl State {
    pub(super) fn serving(&self) {
        self.trouble.store(None);
    }

    pub(super) fn down(&self, reason: String) {
        self.trouble.store(Some(reason.into()));
    }

    /// `Ok` while the store serves.
    pub(super) fn check(&self) -> Result<(), Error> {
        match &*self.trouble.load() {
            None => Ok(()),
            Some(reason) => Err(Error::Unavailable { reason: reason.to_string() }),
        }
    }

    /// What a call gets that was dropped unanswered.
    pub(super) fn dropped(&self) -> Error {
        self.check().err().unwrap_or_else(|| Error::Unavailable {
            reason: "the database failed while this call waited; it may or may not have been carried out".to_owned(),
        })
    }
}
