//! How a request's head would go on: what would be dropped, and what would be said in our name.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderName};

use super::Explanation;
use crate::http::cookie;

/// Said of every request, also where the client has said the same.
const OURS: [&str; 5] = ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];

/// Tells what differs between a head that was sent and what would go on of it. No cookie and no token is shown.
pub(super) fn tell(sent: &HeaderMap, goes_on: &HeaderMap, told: &mut Explanation) {
    let is_as_sent = |name: &HeaderName| sent.get_all(name).iter().eq(goes_on.get_all(name).iter());
    for name in sent.keys().filter(|name| *name != HOST && !is_as_sent(name)) {
        let which = if *name == COOKIE { format!(" ({})", cut_out(sent, goes_on)) } else { String::new() };
        told.push(("dropped", format!("{name}{which}")));
    }
    let is_told = |name: &HeaderName| *name != COOKIE && (OURS.contains(&name.as_str()) || !is_as_sent(name));
    for (name, value) in goes_on.iter().filter(|(name, _)| is_told(name)) {
        let text = String::from_utf8_lossy(value.as_bytes());
        match claims(&text) {
            Some((scheme, claims)) => told.push(("header", format!("{name}: {scheme}<a token that claims {claims}>"))),
            None => told.push(("header", format!("{name}: {text}"))),
        }
    }
}

/// The names of the cookies that would not go on.
fn cut_out(sent: &HeaderMap, goes_on: &HeaderMap) -> String {
    let kept: Vec<&[u8]> = cookie::pairs(goes_on).map(|(name, _)| name).collect();
    let cut = cookie::pairs(sent).map(|(name, _)| name).filter(|name| !kept.contains(name));
    let mut names: Vec<_> = cut.map(String::from_utf8_lossy).collect();
    names.dedup();
    names.join(", ")
}

/// What stands before a token, and its claims, which prove nothing by themselves, if the value is one.
fn claims(value: &str) -> Option<(&str, String)> {
    let start = value.rfind(' ').map_or(0, |blank| blank + 1);
    let (scheme, token) = value.split_at_checked(start)?;
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    Some((scheme, String::from_utf8(claims).ok()?))
}
