//! `[upstreams.<name>.health]`: how it is found out whether endpoints are well.

use http::uri::PathAndQuery;

use crate::config::error::{Findings, Remark};
use crate::config::parse::status;
use crate::config::read;
use crate::config::section::Section;
use crate::upstream::Health;

/// Reads the section; `Some(None)`: nobody is asked.
pub(super) fn read(section: &Section<'_>, log: &mut Findings) -> Option<Option<Health>> {
    let path = section.optional("path", log, read::text(path));
    let interval = section.value("interval", log, read::duration);
    let timeout = section.value("timeout", log, read::duration);
    let statuses = section.each("statuses", log, status::range);
    let ill_after = section.value("ill_after", log, read::count);
    let well_after = section.value("well_after", log, read::count);
    let path = path?;
    if path.is_none() && section.is_written() {
        let remark = Remark::new("names no path").so("what to ask for could not be told");
        log.missing(&section.spot("path"), remark.fix("path = \"/health/\": one that answers when all is well"));
        return None;
    }
    if statuses.items.is_empty() && statuses.whole {
        let remark = Remark::new("names no status").so("no endpoint would ever be well");
        log.error(&section.spot("statuses"), remark.fix("leave it out, or statuses = [\"200-399\"]"));
        return None;
    }
    let (interval, timeout, ill_after, well_after) = (interval?, timeout?, ill_after?, well_after?);
    let Some(path) = path else { return Some(None) };
    let whole = statuses.whole;
    let health = Health {
        path: path.value,
        interval: interval.value,
        timeout: timeout.value,
        statuses: statuses.values().collect(),
        ill_after: u32::try_from(ill_after.value).unwrap_or(u32::MAX),
        well_after: u32::try_from(well_after.value).unwrap_or(u32::MAX),
    };
    whole.then_some(Some(health))
}

fn path(text: &str) -> Result<PathAndQuery, Remark> {
    let path = PathAndQuery::try_from(text).ok().filter(|_| text.starts_with('/') && !text.contains('#'));
    path.ok_or_else(|| {
        Remark::expected("a path from its first slash, such as \"/health/\"")
            .so("nothing could be asked for")
            .fix("without scheme and host; blanks and other signs percent-encoded")
    })
}
