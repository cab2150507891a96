//! `routes[].not_logged_in`.

use http::StatusCode;

use super::routes::Known;
use crate::config::error::{Findings, Remark};
use crate::config::parse::template;
use crate::config::read;
use crate::config::section::{Section, both};
use crate::gateway::{Access, Blank, NotLoggedIn, Words};
use crate::template::{JsonTemplate, Template};

impl template::Known for Blank {
    const SO: &'static str = "visitors would be sent the braces in place of a value";

    const OTHER_NAMES: &'static [(&'static str, &'static str)] =
        &[("target", "next"), ("path", "next"), ("login", "login_url"), ("url", "login_url"), ("origin", "site")];
}

/// Reads it; a route without one has the usual words.
pub(super) fn read(section: &Section<'_>, log: &mut Findings) -> Option<NotLoggedIn> {
    let page = section.optional("page", log, read::text(|text| Ok(text.to_owned())));
    let status = section.value("status", log, read::count);
    let entries = section.entries("json", log, |name, node| both(Ok(name.to_owned()), template::json::<Blank>(node)));
    let (page, status) = (page?, status?);
    let page = match page {
        Some(given) => match self::page(&given.value) {
            Ok(page) => Some(page),
            Err(remarks) => {
                remarks.into_iter().for_each(|remark| log.error(&given.spot, remark));
                return None;
            }
        },
        None => None,
    };
    let is_written = section.node("json").is_some();
    if !is_written && !status.is_default() {
        let remark = Remark::new("there is no json for it").so("what is said with that status would be a guess");
        log.error(&status.spot, remark.fix("json = { code = \"4101\", errmsg = \"用户未登录\" }"));
        return None;
    }
    let code = u16::try_from(status.value).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let Some(code) = code.filter(|code| !code.is_redirection() && ![204, 205].contains(&code.as_u16())) else {
        let remark = Remark::expected("a status that has a body, such as 200 or 401");
        let remark = remark.so("scripts would follow a redirect, and see no body of the others");
        log.error(&status.spot, remark.fix("navigations are led to `page`, whatever is said to scripts"));
        return None;
    };
    let body = entries.whole.then(|| JsonTemplate::Table(entries.values().collect()))?;
    Some(NotLoggedIn { page, words: is_written.then_some(Words { status: code, body }) })
}

/// A path or an address; what was asked for stands in its query alone.
fn page(text: &str) -> Result<Template<Blank>, Vec<Remark>> {
    let is_path = text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/\\");
    let is_address = ["http://", "https://", "{site}/"].iter().any(|start| text.starts_with(start));
    let before = text.split(['?', '#']).next().unwrap_or_default();
    let is_sound =
        (is_path || is_address) && !before.trim_start_matches("{site}").contains('{') && !text.contains("|raw");
    if !is_sound || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let remark = Remark::expected("a path such as \"/login/?next={next}\", or an address");
        let remark = remark.so("visitors could be led to another host than you mean");
        return Err(vec![remark.fix("{next} stands behind the `?`, where it is percent-encoded")]);
    }
    template::template(text)
}

/// Warns of words that nobody hears: who may come without a session is told nothing.
pub(super) fn unheard(routes: &[Known], log: &mut Findings) {
    for route in routes {
        let (Some(path), Some(settings)) = (&route.path, &route.settings) else { continue };
        let words = &settings.handling.not_logged_in;
        let is_heard = settings.access == Access::Required || settings.asks_for_credentials();
        if !is_heard && (words.page.is_some() || words.words.is_some()) {
            let remark = Remark::new("has not_logged_in, and nobody has to log in there");
            let remark = remark.so("nobody would ever hear it");
            log.warn(&path.spot, remark.fix("access = \"required\", or leave not_logged_in out"));
        }
    }
}
