//! `[session]`.

use crate::config::error::{Findings, Place, Remark};
use crate::config::parse::name;
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::config::value::show_duration;
use crate::session::Settings;

/// What is known of sessions.
pub(super) struct Sessions {
    pub(super) settings: Option<Settings>,
    pub(super) cookie: Option<Given<String>>,
}

/// Reads the section.
pub(super) fn read(section: &Section<'_>, log: &mut Findings) -> Sessions {
    let idle = section.value("idle", log, read::duration);
    let lifetime = section.value("lifetime", log, read::duration);
    let api_token_lifetime = section.value("api_token_lifetime", log, read::duration);
    let cookie = section.value("cookie", log, read::text(name::cookie));
    let cache = section.value("cache", log, read::count);
    if let (Some(idle), Some(lifetime)) = (&idle, &lifetime)
        && idle.value > lifetime.value
    {
        let most = show_duration(lifetime.value);
        let (spot, says, fix) = match idle.spot.place {
            Place::Default => (
                &lifetime.spot,
                format!("is shorter than {}, the default", idle.spot.quoted()),
                format!("give idle as well, at most {most:?}"),
            ),
            Place::File | Place::Line { .. } | Place::Variable(_) => (
                &idle.spot,
                format!("is longer than {}", lifetime.spot.quoted()),
                format!("lower idle to at most {most:?}, or raise lifetime"),
            ),
        };
        log.error(spot, Remark::new(says).so("sessions would never idle out").fix(fix));
    }
    let settings = || {
        let cookie = cookie.as_ref()?.value.clone();
        // The one rule it has is the one above.
        Settings::new(idle?.value, lifetime?.value, api_token_lifetime?.value, cookie, cache?.value).ok()
    };
    Sessions { settings: settings(), cookie }
}
