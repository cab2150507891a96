//! `[login]`.

use std::time::Duration;

use crate::config::error::{Findings, Remark};
use crate::config::parse::path;
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::login::{Paces, Settings};

/// What is known of logins.
pub(super) struct Login {
    pub(super) settings: Option<Settings>,
    pub(super) start: Option<Given<String>>,
    pub(super) callback: Option<Given<String>>,
    pub(super) attempt_lifetime: Option<Given<Duration>>,
}

/// Reads the section, and what `[limits]` says of logins.
pub(super) fn read(login: &Section<'_>, limits: &Section<'_>, log: &mut Findings) -> Login {
    let start = login.value("start", log, read::text(own_path));
    let callback = login.value("callback", log, read::text(own_path));
    let attempt_lifetime = login.value("attempt_lifetime", log, read::duration);
    let exchanges = limits.value("exchanges", log, read::count);
    let paces = paces(limits, log);
    if let (Some(start), Some(callback)) = (&start, &callback)
        && start.value == callback.value
    {
        let written = if callback.is_default() { start } else { callback };
        let remark = Remark::new("login.start and login.callback are the same path");
        log.error(&written.spot, remark.so("a login could begin and never end").fix("give each its own"));
    }
    let settings = || {
        Some(Settings {
            start: start.as_ref()?.value.clone(),
            callback: callback.as_ref()?.value.clone(),
            attempt_lifetime: attempt_lifetime.as_ref()?.value,
            exchanges: exchanges?.value,
            paces: paces?,
        })
    };
    Login { settings: settings(), start, callback, attempt_lifetime }
}

fn paces(limits: &Section<'_>, log: &mut Findings) -> Option<Paces> {
    let starts = limits.value("logins", log, read::count);
    let starts_per_address = limits.value("logins_per_address", log, read::count);
    let callbacks = limits.value("callbacks", log, read::count);
    let failures_per_address = limits.value("failed_callbacks_per_address", log, read::count);
    Some(Paces {
        starts: starts?.value,
        starts_per_address: starts_per_address?.value,
        callbacks: callbacks?.value,
        failures_per_address: failures_per_address?.value,
    })
}

/// A path of our own.
pub(super) fn own_path(text: &str) -> Result<String, Remark> {
    let path = path::folder(text)?;
    if path.starts_with("/.well-known/") {
        return Err(Remark::new("/.well-known/ is shared with others, and holds our keys")
            .so("what others look up there would not be found")
            .fix("take another path"));
    }
    Ok(path)
}
