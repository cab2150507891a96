//! `[login]`.

use crate::config::error::{Findings, Remark, Spot};
use crate::config::parse::path;
use crate::config::read;
use crate::config::section::Section;
use crate::login::Settings;

/// What is known of logins.
pub(super) struct Login {
    pub(super) settings: Settings,
    pub(super) start: Spot,
    pub(super) callback: Spot,
    pub(super) attempt_lifetime: Spot,
}

/// Reads the section, and `limits.exchanges`.
pub(super) fn read(login: &Section<'_>, limits: &Section<'_>, log: &mut Findings) -> Option<Login> {
    let start = login.value("start", log, read::text(own_path));
    let callback = login.value("callback", log, read::text(own_path));
    let attempt_lifetime = login.value("attempt_lifetime", log, read::duration);
    let exchanges = limits.value("exchanges", log, read::count);
    let (start, callback, attempt_lifetime) = (start?, callback?, attempt_lifetime?);
    if start.value == callback.value {
        let written = if callback.is_default() { &start } else { &callback };
        let remark = Remark::new("login.start and login.callback are the same path");
        log.error(&written.spot, remark.so("a login could begin and never end").fix("give each its own"));
        return None;
    }
    Some(Login {
        settings: Settings {
            start: start.value,
            callback: callback.value,
            attempt_lifetime: attempt_lifetime.value,
            exchanges: exchanges?.value,
        },
        start: start.spot,
        callback: callback.spot,
        attempt_lifetime: attempt_lifetime.spot,
    })
}

fn own_path(text: &str) -> Result<String, Remark> {
    let path = path::folder(text)?;
    if path.starts_with("/.well-known/") {
        return Err(Remark::new("/.well-known/ is shared with others, and holds our keys").fix("take another path"));
    }
    Ok(path)
}
