//! Whether what a configuration relies on is there: looked at from outside, one thing after another.

mod application;
mod certificates;
mod files;
mod proxy;
mod reach;
mod sockets;
mod way_past;

use std::io;
use std::path::Path;
use std::time::Duration;

use self::way_past::{Machine, Trust};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;

/// How far this machine's clock may be off before sessions and tokens are read wrongly elsewhere.
const SLIGHTLY_OFF: Duration = Duration::from_secs(30);

/// What to do where something is closed to the user who asks.
const AS_THE_PROXY: &str = "ask again as the user that runs the proxy, or as root";

/// What was found out about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub grade: Grade,
    /// What was looked at.
    pub what: &'static str,
    /// What was found.
    pub found: String,
    /// What to do about it; empty where there is nothing to do.
    pub fix: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// It may be meant so.
    Doubtful,
    /// Something will not work, or is not safe.
    Bad,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Finding { grade: Grade::Good, what, found: found.into(), fix: String::new() }
    }

    fn doubtful(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Finding { grade: Grade::Doubtful, what, found: found.into(), fix: fix.into() }
    }

    fn bad(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Finding { grade: Grade::Bad, what, found: found.into(), fix: fix.into() }
    }
}

/// What reading the configuration itself has come to.
pub fn configuration(path: &Path, warnings: usize) -> Finding {
    const WHAT: &str = "configuration";
    let path = path.display();
    match warnings {
        0 => Finding::good(WHAT, format!("{path} has no warnings")),
        1 => Finding::doubtful(WHAT, format!("{path} has 1 warning"), "see `menshen check`"),
        count => Finding::doubtful(WHAT, format!("{path} has {count} warnings"), "see `menshen check`"),
    }
}

/// Looks at everything, and hands each finding over as soon as it is there.
///
/// # Errors
/// Only what `tell` fails with.
pub async fn examine(
    config: &Config,
    clock: &Clock,
    mut tell: impl FnMut(Finding) -> io::Result<()>,
) -> io::Result<()> {
    files::examine(config).into_iter().try_for_each(&mut tell)?;
    certificates::examine(config, clock.now()).into_iter().try_for_each(&mut tell)?;
    tell(proxy::examine(config).await)?;
    for site in config.sites.iter() {
        reach::site(site, &config.prefix).await.into_iter().try_for_each(&mut tell)?;
    }
    let (reached, date) = reach::qq(config).await;
    reached.into_iter().try_for_each(&mut tell)?;
    tell(time(clock.now(), date))?;
    let machine = Machine::now(config);
    // Two upstreams may share an endpoint, of which the same need not be said twice.
    let mut told = Vec::new();
    for (at, upstream) in config.upstreams.iter().enumerate() {
        let trust = Trust::of(config, at);
        for endpoint in upstream.members.iter().map(|member| &member.endpoint) {
            for finding in application::examine(endpoint, upstream, &machine, trust).await {
                if !told.contains(&finding) {
                    told.push(finding.clone());
                    tell(finding)?;
                }
            }
        }
    }
    Ok(())
}

/// This machine's clock beside QQ's: cookies, tokens and their ends are read by it.
fn time(now: Timestamp, date: Option<Timestamp>) -> Finding {
    const WHAT: &str = "clock";
    let Some(date) = date else {
        return Finding::doubtful(
            WHAT,
            "nobody told the time to compare with",
            "look whether a time service runs: timedatectl",
        );
    };
    let off = now.since(date).max(date.since(now));
    let found = format!("{} s beside what QQ's answer says", off.as_secs());
    let fix = "have a time service set it, such as chrony: backends refuse tokens that seem to come from the future";
    if now.is_ahead_of(date) || date.is_ahead_of(now) {
        Finding::bad(WHAT, found, fix)
    } else if off > SLIGHTLY_OFF {
        Finding::doubtful(WHAT, found, fix)
    } else {
        Finding::good(WHAT, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_with_warnings_is_doubtful() {
        for (warnings, grade) in [(0, Grade::Good), (1, Grade::Doubtful), (2, Grade::Doubtful)] {
            assert_eq!(configuration(Path::new("config.toml"), warnings).grade, grade);
        }
    }

    #[test]
    fn a_clock_is_graded_by_how_far_it_is_off_in_either_direction() {
        let now = Timestamp::from_secs(1_800_000_000);
        let off = |secs: u64| Duration::from_secs(secs);
        for (by, grade) in
            [(0, Grade::Good), (30, Grade::Good), (31, Grade::Doubtful), (300, Grade::Doubtful), (301, Grade::Bad)]
        {
            assert_eq!(time(now, Some(now.plus(off(by)))).grade, grade, "{by} s behind");
            assert_eq!(time(now, Some(now.minus(off(by)))).grade, grade, "{by} s ahead");
        }
        assert_eq!(time(now, None).grade, Grade::Doubtful);
    }
}
