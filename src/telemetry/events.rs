//! Events: what happens that is no request. They go to standard error, the access log to standard output.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::util::SubscriberInitExt;

use super::{Format, Settings};

impl Settings {
    /// Whether lines are JSON, given whether they go to a terminal.
    pub fn is_json(&self, is_terminal: bool) -> bool {
        match self.format {
            Format::Auto => !is_terminal,
            Format::Json => true,
            Format::Text => false,
        }
    }
}

/// Has events written to standard error from now on. A second call changes nothing.
pub fn init(settings: &Settings) {
    let is_json = settings.is_json(std::io::stderr().is_terminal());
    let _ = subscriber(settings, is_json, std::io::stderr).try_init();
}

fn subscriber<W>(settings: &Settings, is_json: bool, writer: W) -> impl SubscriberInitExt + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Libraries' own events are for their developers, and may hold addresses with secrets: warnings alone pass.
    let filter =
        Targets::new().with_default(LevelFilter::WARN).with_target("menshen", LevelFilter::from_level(settings.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    let lines = if is_json { lines.json().flatten_event(true).boxed() } else { lines.with_ansi(false).boxed() };
    tracing_subscriber::registry().with(lines.with_filter(filter))
}
