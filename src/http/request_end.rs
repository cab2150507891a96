//! Whether all of a request has been read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Goes with a request whose body is still to come: whoever reads the body to its end says so. A connection that is closed
/// before that has to be closed with care. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct RequestEnd {
    is_owed: Arc<AtomicBool>,
}

impl RequestEnd {
    /// A request has begun, with a body to come or without.
    pub fn begin(&self, has_body: bool) {
        self.is_owed.store(has_body, Ordering::Relaxed);
    }

    /// All of it has been read.
    pub fn reached(&self) {
        self.is_owed.store(false, Ordering::Relaxed);
    }

    /// Whether some of it has yet to come.
    pub fn is_owed(&self) -> bool {
        self.is_owed.load(Ordering::Relaxed)
    }
}
