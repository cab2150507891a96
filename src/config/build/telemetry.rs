//! `[log]`.

use tracing::Level;

use crate::config::error::Findings;
use crate::config::read;
use crate::config::section::Section;
use crate::telemetry::{Format, Settings};

/// Reads the section.
pub(super) fn read(section: &Section<'_>, log: &mut Findings) -> Option<Settings> {
    let format = section.value("format", log, read::choice(&[Format::Auto, Format::Json, Format::Text]));
    let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG];
    let level = section.value("level", log, read::choice(&levels));
    let access = section.value("access", log, read::flag);
    Some(Settings { format: format?.value, level: level?.value, access: access?.value })
}
