//! What the operator can see: events, one line for each request, and numbers.

pub mod access_log;
mod cut;
mod events;
mod json_object;
pub mod line;
mod line_writer;
pub mod metrics;
mod throttle;

pub use self::cut::Cut;
pub use self::events::{ALWAYS, init};

/// What is logged, and how.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How a line looks.
    pub format: Format,
    /// The least important events to be logged.
    pub level: tracing::Level,
    /// Log a line for each request.
    pub access: bool,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For reading in a terminal.
    Text,
}
