//! Whether what a configuration relies on is there: looked at from outside, one thing after another.

mod files;
mod reach;
mod sockets;

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::upstream::Endpoint;

/// How far this machine's clock may be off before sessions and tokens are read wrongly elsewhere.
const SLIGHTLY_OFF: Duration = Duration::from_secs(30);

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
    for site in config.sites.iter() {
        tell(reach::site(site, &config.prefix).await)?;
    }
    let (reached, date) = reach::qq(config).await;
    tell(reached)?;
    tell(time(clock.now(), date))?;
    let listening = sockets::listening();
    for upstream in &config.upstreams {
        for endpoint in &upstream.endpoints {
            tell(application(endpoint, upstream.connect_timeout).await)?;
            tell(exposure(endpoint, &listening))?;
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

async fn application(endpoint: &Endpoint, limit: Duration) -> Finding {
    const WHAT: &str = "application";
    let address = shown(endpoint);
    match timeout(limit, TcpStream::connect((endpoint.host.as_str(), endpoint.port))).await {
        Ok(Ok(_)) => Finding::good(WHAT, format!("{address} accepts connections")),
        Ok(Err(error)) => Finding::bad(WHAT, format!("{address}: {error}"), "start it, or correct its endpoints"),
        Err(_) => Finding::bad(WHAT, format!("{address}: no answer within {limit:?}"), "look for a firewall between"),
    }
}

/// Whether others than this machine can reach the application past us, where a bare header says who somebody is.
fn exposure(endpoint: &Endpoint, listening: &io::Result<Vec<std::net::SocketAddr>>) -> Finding {
    const WHAT: &str = "way past us";
    let address = shown(endpoint);
    let is_here = endpoint.host == "localhost"
        || endpoint.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    if !is_here {
        let found = format!("{address} is on another machine: who can connect to it cannot be seen from here");
        let fix =
            "let nobody but this machine connect to it, or have it verify the token: a header alone can be claimed";
        return Finding::doubtful(WHAT, found, fix);
    }
    let Ok(listening) = listening else {
        return Finding::doubtful(
            WHAT,
            "this system does not tell who listens where",
            "bind the application to 127.0.0.1",
        );
    };
    let open =
        listening.iter().find(|socket| socket.port() == endpoint.port && !socket.ip().to_canonical().is_loopback());
    match open {
        Some(open) => Finding::bad(
            WHAT,
            format!(
                "something listens on {open}, where others may reach it: who does can claim to be anybody by a header"
            ),
            format!("bind the application to {address} alone, or close the port to others"),
        ),
        None => Finding::good(WHAT, format!("port {} is open to this machine alone", endpoint.port)),
    }
}

fn shown(endpoint: &Endpoint) -> String {
    match endpoint.host.contains(':') {
        true => format!("[{}]:{}", endpoint.host, endpoint.port),
        false => format!("{}:{}", endpoint.host, endpoint.port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port }
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

    #[test]
    fn an_application_that_listens_for_everybody_is_told() {
        let listening = |address: &str| Ok(vec![address.parse().unwrap(), "0.0.0.0:1".parse().unwrap()]);
        for (host, listens, grade) in [
            ("127.0.0.1", "127.0.0.1:8001", Grade::Good),
            ("::1", "[::1]:8001", Grade::Good),
            ("localhost", "[::ffff:127.0.0.1]:8001", Grade::Good),
            ("127.0.0.1", "0.0.0.0:8001", Grade::Bad),
            ("127.0.0.1", "[::]:8001", Grade::Bad),
            ("127.0.0.1", "10.0.0.5:8001", Grade::Bad),
            ("10.0.0.6", "127.0.0.1:8001", Grade::Doubtful),
        ] {
            assert_eq!(exposure(&endpoint(host, 8001), &listening(listens)).grade, grade, "{host} {listens}");
        }
        let unknown = Err(io::ErrorKind::Unsupported.into());
        assert_eq!(exposure(&endpoint("127.0.0.1", 8001), &unknown).grade, Grade::Doubtful);
    }
}
