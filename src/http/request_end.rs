//! Whether all of a request has been read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Goes with a request whose body is still to come: whoever reads the body to its end says so. A connection that is closed
/// before that has to be closed with care. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct RequestEnd(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_owed: AtomicBool,
    had_trailers: AtomicBool,
}

impl RequestEnd {
    /// A request has begun, with a body to come or without.
    pub fn begin(&self, has_body: bool) {
        self.0.is_owed.store(has_body, Ordering::Relaxed);
        self.0.had_trailers.store(false, Ordering::Relaxed);
    }

    /// All of it has been read.
    pub fn reached(&self) {
        self.0.is_owed.store(false, Ordering::Relaxed);
    }

    /// Fields came after its body.
    pub fn had_trailers(&self) {
        self.0.had_trailers.store(true, Ordering::Relaxed);
    }

    /// Whether some of it has yet to come.
    pub fn is_owed(&self) -> bool {
        self.0.is_owed.load(Ordering::Relaxed)
    }

    /// Whether it is certain where a request in chunks has ended. What is no clean end of its trailers to some (a bare
    /// line feed is one to others) makes hyper take what follows for trailers too, and drop it.
    pub fn is_certain(&self) -> bool {
        !self.is_owed() && !self.0.had_trailers.load(Ordering::Relaxed)
    }
}
