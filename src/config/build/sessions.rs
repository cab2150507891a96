//! `[session]`.

use crate::config::error::{Findings, Place, Remark, Spot};
use crate::config::parse::name;
use crate::config::read;
use crate::config::section::Section;
use crate::config::value::show_duration;
use crate::session::{IdleBeyondLifetime, Settings};

/// What is known of sessions.
pub(super) struct Sessions {
    pub(super) settings: Settings,
    pub(super) cookie: Spot,
}

/// Reads the section.
pub(super) fn read(section: &Section<'_>, log: &mut Findings) -> Option<Sessions> {
    let idle = section.value("idle", log, read::duration);
    let lifetime = section.value("lifetime", log, read::duration);
    let api_token_lifetime = section.value("api_token_lifetime", log, read::duration);
    let cookie = section.value("cookie", log, read::text(name::cookie));
    let cache = section.value("cache", log, read::count);
    let (idle, lifetime, cookie) = (idle?, lifetime?, cookie?);
    let (idle_spot, lifetime_spot) = (&idle.spot, &lifetime.spot);
    let settings = Settings::new(idle.value, lifetime.value, api_token_lifetime?.value, cookie.value, cache?.value);
    match settings {
        Ok(settings) => Some(Sessions { settings, cookie: cookie.spot }),
        Err(IdleBeyondLifetime) if idle.spot.place == Place::Default => {
            let remark = Remark::new(format!("is shorter than {}, the default", idle_spot.quoted()));
            let fix = format!("give idle as well, at most {:?}", show_duration(lifetime.value));
            log.error(lifetime_spot, remark.so("sessions would never idle out").fix(fix));
            None
        }
        Err(IdleBeyondLifetime) => {
            let remark = Remark::new(format!("is longer than {}", lifetime_spot.quoted()));
            let fix = format!("lower idle to at most {:?}, or raise lifetime", show_duration(lifetime.value));
            log.error(idle_spot, remark.so("sessions would never idle out").fix(fix));
            None
        }
    }
}
