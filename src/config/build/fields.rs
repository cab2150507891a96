//! `request_headers` and `response_headers`: which fields are removed, set and added on the way.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::identities;
use crate::config::error::{Findings, Remark};
use crate::config::read;
use crate::config::section::{Section, both};
use crate::config::tree::{Node, quoted};
use crate::gateway::Fields;
use crate::identity::Settings;

/// Frame a message, or concern one connection alone (RFC 9110, 7.6.1): we see to them.
const FRAMING: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Which way messages go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Request,
    Response,
}

/// Reads the three lists.
pub(super) fn read(section: &Section<'_>, way: Way, log: &mut Findings) -> Option<Fields> {
    let remove = section.each("remove", log, |text| name(text, way, true));
    let set = section.entries("set", log, |name, node| field(name, node, way));
    let add = section.entries("add", log, |name, node| field(name, node, way));
    if !(remove.whole && set.whole && add.whole) {
        return None;
    }
    Some(Fields { remove: remove.values().collect(), set: set.values().collect(), add: add.values().collect() })
}

/// Warns of fields by which a route would say who somebody is: of strangers too.
pub(super) fn claims(section: &Section<'_>, fields: &Fields, identities: &[identities::Known], log: &mut Findings) {
    let settings = || identities.iter().filter_map(|known| known.settings.as_ref());
    for (key, list) in [("set", &fields.set), ("add", &fields.add)] {
        for (name, _) in list.iter().filter(|(name, _)| *name != AUTHORIZATION) {
            let names = |identity: &&Settings| {
                identity.header.as_ref() == Some(name) || identity.headers.iter().any(|(further, _)| further == name)
            };
            if let Some(identity) = settings().find(names) {
                let remark = Remark::new(format!("by {name}, identity.{} says who is logged in", identity.name));
                let remark = remark.so("strangers would be whoever this says");
                log.warn(&section.spot(key), remark.fix("take another name, or leave it to the identity"));
            }
        }
    }
}

fn field(written: &str, node: &Node, way: Way) -> Result<(HeaderName, HeaderValue), Vec<Remark>> {
    let value = read::plain_text(node).and_then(value).map_err(|remark| vec![remark]);
    both(name(written, way, false).map_err(|remark| vec![remark]), value)
}

fn value(text: &str) -> Result<HeaderValue, Remark> {
    let is_trimmed = text.trim() == text;
    HeaderValue::from_str(text).ok().filter(|_| is_trimmed).ok_or_else(|| {
        Remark::expected("a field's value: no line end and no control character, no blank at its ends")
            .so("no HTTP message could carry it")
            .fix("write one line")
    })
}

fn name(text: &str, way: Way, is_removed: bool) -> Result<HeaderName, Remark> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
        Remark::expected("a header's name such as \"X-Frame-Options\"")
            .so("no HTTP message could carry it")
            .fix("letters, digits and `-`, without blanks and colon")
    })?;
    let lower = name.as_str();
    if FRAMING.contains(&lower) {
        let fix = match lower {
            "host" => "upstreams.<name>.host says which one the application gets",
            _ => "leave it out",
        };
        return Err(Remark::new(format!("{} frames messages, or concerns one connection alone", quoted(text)))
            .so("messages would break")
            .fix(fix));
    }
    let is_forwarding = lower == "forwarded" || lower.starts_with("x-forwarded-");
    if way == Way::Request && is_forwarding {
        return Err(Remark::new("says where a request comes from, and we see to that")
            .so("it would be replaced on the way")
            .fix("server.forwarded and server.trusted_proxies say what applications are told"));
    }
    if way == Way::Response && lower == "set-cookie" && !is_removed {
        return Err(Remark::new("cookies are set by the application, or by us for logins")
            .so("each visitor would get the same, and caches would keep it")
            .fix("remove it can be: remove = [\"Set-Cookie\"]"));
    }
    Ok(name)
}
