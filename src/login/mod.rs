//! Logging in: from the click on the QQ button to the session.

pub mod provider;

use std::time::Duration;

/// Where logins start and end, and how long they may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The path that starts a login; ends in `/`, and is answered without it too.
    pub start: String,
    /// The path a provider sends the browser back to; ends in `/`, and is answered without it too.
    pub callback: String,
    /// From the start to the callback.
    pub attempt_lifetime: Duration,
    /// Exchanges with providers at the same time.
    pub exchanges: usize,
}
