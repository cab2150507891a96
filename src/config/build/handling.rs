//! What a route does beside letting requests pass: how long, which path, which fields, or an answer of its own.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use regex::Regex;

use super::{fields, identities, not_logged_in};
use crate::config::error::{Findings, Remark};
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::gateway::{FixedAnswer, Handling, Rewrite, TARGET};
use crate::upstream::Timeouts;

/// The largest body that is kept in memory to be answered with.
const MAX_BODY: u64 = 1024 * 1024;

/// How long visitors of a site that is being worked on are asked to wait, unless that is said.
const MAINTENANCE: Duration = Duration::from_secs(300);

/// Reads what stands in the route's section and those below it.
pub(super) fn read(section: &Section<'_>, identities: &[identities::Known], log: &mut Findings) -> Option<Handling> {
    let timeouts = timeouts(section, log);
    let rewrite = rewrite(&section.section("rewrite"), log);
    let requests = section.section("request_headers");
    let request_fields = fields::read(&requests, fields::Way::Request, log);
    request_fields.iter().for_each(|fields| fields::claims(&requests, fields, identities, log));
    let response_fields = fields::read(&section.section("response_headers"), fields::Way::Response, log);
    let not_logged_in = not_logged_in::read(&section.section("not_logged_in"), log);
    let answer = answer(section, log);
    Some(Handling {
        timeouts: timeouts?,
        rewrite: rewrite?,
        request_fields: request_fields?,
        response_fields: response_fields?,
        not_logged_in: not_logged_in?,
        answer: answer?,
    })
}

/// Whether a route answers by itself, so that it needs no upstream.
pub(super) fn answers(section: &Section<'_>) -> bool {
    ["answer", "redirect", "maintenance"].iter().any(|name| section.node(name).is_some())
}

fn timeouts(section: &Section<'_>, log: &mut Findings) -> Option<Timeouts> {
    let mut timeout = |name| {
        let given = section.optional(name, log, read::duration)?;
        Some(given.map(|given| given.value))
    };
    let (connect, head, idle) = (timeout("connect_timeout"), timeout("head_timeout"), timeout("idle_timeout"));
    let whole = timeout("timeout");
    Some(Timeouts { connect: connect?, head: head?, idle: idle?, whole: whole? })
}

/// `Some(None)`: the path stays as it is.
fn rewrite(section: &Section<'_>, log: &mut Findings) -> Option<Option<Rewrite>> {
    let prefix = section.optional("prefix", log, read::text(prefix));
    let pattern = section.optional("pattern", log, read::text(pattern));
    let to = section.optional("to", log, read::text(|text| Ok(text.to_owned())));
    let (prefix, pattern, to) = (prefix?, pattern?, to?);
    if !section.is_written() {
        return Some(None);
    }
    match (prefix, pattern, to) {
        (Some(from), None, to) => {
            let Some(to) = to else { return Some(Some(Rewrite::Prefix { from: from.value, to: String::new() })) };
            match self::prefix(&to.value) {
                Ok(to) => Some(Some(Rewrite::Prefix { from: from.value, to })),
                Err(remark) => {
                    log.error(&to.spot, remark);
                    None
                }
            }
        }
        (None, Some(pattern), Some(to)) => {
            if !to.value.starts_with('/') || to.value.contains(['?', '#']) {
                let remark = Remark::expected("a path from its first slash, such as \"/item/$1\"");
                let remark = remark.so("what comes of it would be no path");
                log.error(&to.spot, remark.fix("begin it with a slash; the query always goes on as it is"));
                return None;
            }
            if let Some(group) = missing_group(&pattern.value, &to.value) {
                let remark = Remark::new(format!("the pattern has no group {group:?}"));
                let remark = remark.so("nothing would stand in its place");
                log.error(&to.spot, remark.fix("\"${1}_x\" for the first group and then _x, \"$$\" for a dollar sign"));
                return None;
            }
            Some(Some(Rewrite::Pattern { pattern: pattern.value, to: to.value }))
        }
        (None, Some(_), None) => {
            let remark = Remark::new("a pattern needs what takes its place").so("nothing would come of it");
            log.missing(&section.spot("to"), remark.fix("to = \"/item/$1\""));
            None
        }
        (Some(_), Some(pattern), _) => {
            let remark = Remark::new("there is a prefix too").so("which of the two counts would be chance");
            log.error(&pattern.spot, remark.fix("keep one of the two"));
            None
        }
        (None, None, _) => {
            let remark = Remark::new("names neither a prefix nor a pattern").so("there is nothing to replace");
            log.missing(&section.spot("prefix"), remark.fix("prefix = \"/api\""));
            None
        }
    }
}

/// A group that a replacement names and its pattern does not have. `$1_x` names the group `1_x`.
fn missing_group(pattern: &Regex, to: &str) -> Option<String> {
    let mut rest = to;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let name = match after.strip_prefix('{') {
            Some(braced) => braced.split('}').next().unwrap_or_default(),
            None => after.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').next().unwrap_or_default(),
        };
        let is_there = match name.parse::<usize>() {
            Ok(number) => number < pattern.captures_len(),
            Err(_) => pattern.capture_names().flatten().any(|known| known == name),
        };
        if !is_there && !name.is_empty() {
            return Some(name.to_owned());
        }
        rest = after;
    }
    None
}

/// Without its last slash; nothing for the whole path.
fn prefix(text: &str) -> Result<String, Remark> {
    let bare = text.strip_suffix('/').unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"%?#;\\".contains(&byte);
    let is_sound = (bare.is_empty() || bare.starts_with('/'))
        && bare.bytes().all(is_plain)
        && !bare.contains("//")
        && !bare.contains("/.");
    is_sound.then(|| bare.to_owned()).ok_or_else(|| {
        Remark::expected("the beginning of a path, such as \"/api\"")
            .so("no path would begin with it")
            .fix("from its first slash, in letters that need no encoding, without dot segments and `*`")
    })
}

fn pattern(text: &str) -> Result<Regex, Remark> {
    Regex::new(text).map_err(|error| {
        let told = error.to_string();
        let last = told.lines().next_back().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Remark::new(format!("is no regular expression: {last}"))
            .so("no path could be compared with it")
            .fix("in the syntax of Rust's regex crate, such as \"^/goods/([0-9]+)/$\"")
    })
}

/// `Some(None)`: requests are forwarded.
fn answer(route: &Section<'_>, log: &mut Findings) -> Option<Option<FixedAnswer>> {
    let maintenance = route.value("maintenance", log, read::flag);
    let retry_after = route.section("answer").optional("retry_after", log, read::duration);
    let redirect = redirect(&route.section("redirect"), log);
    let text = text(&route.section("answer"), log);
    let (maintenance, retry_after, redirect, text) = (maintenance?, retry_after?, redirect?, text?);
    let wait = retry_after.as_ref().map(|given| given.value);
    let text = text.map(|text| match text {
        FixedAnswer::Text { status, content_type, body, .. } => {
            FixedAnswer::Text { status, content_type, body, retry_after: wait }
        }
        other @ (FixedAnswer::Redirect { .. } | FixedAnswer::Maintenance { .. }) => other,
    });
    let page = maintenance.value.then(|| FixedAnswer::Maintenance { retry_after: wait.unwrap_or(MAINTENANCE) });
    let mut all = [page, redirect, text].into_iter().flatten();
    let (first, second) = (all.next(), all.next());
    if let Some(spot) = retry_after.as_ref().map(|given| &given.spot).filter(|_| first.is_none()) {
        let remark = Remark::new("there is no answer that it could stand on").so("the route is forwarded without it");
        log.warn(spot, remark.fix("maintenance = true, answer.text or answer.status, or leave it out"));
    }
    if second.is_some() {
        let remark = Remark::new("there is more than one answer").so("which of them counts would be chance");
        log.error(&route.own_spot(), remark.fix("keep one of maintenance, redirect.to and answer.text or answer.file"));
        return None;
    }
    Some(first)
}

fn redirect(section: &Section<'_>, log: &mut Findings) -> Option<Option<FixedAnswer>> {
    let to = section.optional("to", log, read::text(address));
    let status = section.value("status", log, read::count);
    let (to, status) = (to?, status?);
    let known = u16::try_from(status.value).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let Some(known) = known.filter(|status| [301, 302, 303, 307, 308].contains(&status.as_u16())) else {
        let remark = Remark::expected("301, 302, 303, 307 or 308").so("browsers would not follow it");
        log.error(&status.spot, remark.fix("302 for now, 308 for good"));
        return None;
    };
    match to {
        Some(to) => Some(Some(FixedAnswer::Redirect { status: known, to: to.value })),
        None if section.is_written() => {
            let remark = Remark::new("names no address").so("there is nowhere to go");
            log.missing(&section.spot("to"), remark.fix("to = \"https://www.meiduo.site{target}\""));
            None
        }
        None => Some(None),
    }
}

/// Where a redirect leads: whatever is asked for cannot make another host of it.
fn address(text: &str) -> Result<String, Remark> {
    if let Some((_, rest)) = text.replace(TARGET, "").split_once('{') {
        let name = rest.split('}').next().unwrap_or_default().escape_debug().to_string();
        let remark = Remark::new(format!("there is no placeholder {{{name}}}")).so("it would be sent as it is written");
        return Err(remark.fix("{target} is the path and the query that were asked for"));
    }
    let path = text.strip_prefix('/').map(|rest| !rest.is_empty() && !rest.starts_with(['/', '\\', '{']));
    let host = text.split_once("://").map(|(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.strip_suffix(TARGET).unwrap_or(host);
        ["http", "https"].contains(&scheme) && !host.is_empty() && !host.contains(['{', '@', '\\'])
    });
    let is_sound = text == "/" || path.or(host).unwrap_or_default();
    // Browsers take a tab out, wherever it stands.
    let is_header = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_sound && is_header).then(|| text.to_owned()).ok_or_else(|| {
        Remark::expected("an address such as \"https://www.meiduo.site{target}\", or a path such as \"/new{target}\"")
            .so("visitors could be led to another host than you mean")
            .fix("a path begins with one slash and a letter; {target} is the path and the query that were asked for")
    })
}

fn text(section: &Section<'_>, log: &mut Findings) -> Option<Option<FixedAnswer>> {
    let status = section.value("status", log, read::count);
    let text = section.optional("text", log, read::text(|text| Ok(text.to_owned())));
    let file = section.file("file", log);
    let content_type = section.optional("content_type", log, read::text(content_type));
    let (status, text, file, content_type) = (status?, text?, file?, content_type?);
    let status_code = u16::try_from(status.value).ok().and_then(|status| StatusCode::from_u16(status).ok())?;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let (body, usual) = match (text, file) {
        (Some(_), Some(file)) => {
            let remark = Remark::new("there is a text too").so("which of the two counts would be chance");
            log.error(&file.spot, remark.fix("keep one of text and file"));
            return None;
        }
        (Some(text), None) => (Bytes::from(text.value), plain),
        (None, Some(file)) => {
            let is_html = file.value.extension().is_some_and(|ending| ending == "html" || ending == "htm");
            (contents(&file, log)?, if is_html { html } else { plain })
        }
        (None, None) if status.is_default() && content_type.is_none() => return Some(None),
        (None, None) => (Bytes::new(), plain),
    };
    if [204, 205, 304].contains(&status.value) && !body.is_empty() {
        let remark = Remark::new(format!("an answer of status {} has no content", status.value));
        let remark = remark.so("the text would go to nobody");
        log.error(&status.spot, remark.fix("200 for an answer with a text, or leave out text and file"));
        return None;
    }
    let content_type = content_type.map_or(usual, |given| given.value);
    Some(Some(FixedAnswer::Text { status: status_code, content_type, body, retry_after: None }))
}

fn contents(file: &Given<std::path::PathBuf>, log: &mut Findings) -> Option<Bytes> {
    let length = std::fs::metadata(&file.value).map(|found| found.len());
    let read = length.and_then(|length| match length {
        0..=MAX_BODY => std::fs::read(&file.value),
        _ => Err(std::io::Error::other("it is larger than 1MiB, and would be kept in memory")),
    });
    match read {
        Ok(body) => Some(body.into()),
        Err(error) => {
            let remark = Remark::new(format!("cannot be read: {error}")).so("there would be nothing to answer with");
            let fix =
                "relative paths start in the folder of the configuration; it is read at the start and at each reload";
            log.error(&file.spot, remark.fix(fix));
            None
        }
    }
}

fn content_type(text: &str) -> Result<HeaderValue, Remark> {
    HeaderValue::from_str(text).ok().filter(|_| text.contains('/')).ok_or_else(|| {
        Remark::expected("a media type such as \"application/json\"")
            .so("browsers would guess what it is")
            .fix("\"text/html; charset=utf-8\"")
    })
}
