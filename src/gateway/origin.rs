//! Ambient identity is not consent: a browser sends its cookie whoever makes it ask.

use http::header::{HeaderMap, HeaderName, ORIGIN};

use super::RouteSettings;
use super::caller::{Caller, Kind};
use crate::http::request_path::Readings;
use crate::rule::{self, Rule};
use crate::site::{Origin, Site};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What `Origin: null` says where nothing else says who asked. Browsers send it for pages that send no `Referer`, but for a
/// sandboxed frame on somebody else's page too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullOrigin {
    /// Another site may have asked.
    IsForeign,
    /// The route is for a shop whose own pages send it.
    IsOwn,
}

impl NullOrigin {
    /// What it says on a route. Where the application may read a path as another route's, what this one allows does not
    /// count.
    pub(super) fn by(route: &RouteSettings, readings: &Readings<'_>) -> Self {
        if readings.others.is_empty() { route.null_origin } else { NullOrigin::IsForeign }
    }
}

/// Whether a request that changes something was asked for by this site, or by the user directly: its `Origin` is one of
/// the site's or belongs to it; else the browser says (`Sec-Fetch-Site`) that it is; else no `Origin` was sent, as by clients that are no
/// browsers. `null` counts as foreign unless the browser or the route says otherwise.
pub(super) fn is_own(headers: &HeaderMap, site: &Site, null: NullOrigin) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (origin, another) = (origins.next(), origins.next());
    let is_listed = |origin: &str| site.is_origin(origin) || site.is_cors_origin(origin);
    if another.is_none() && origin.and_then(|origin| origin.to_str().ok()).is_some_and(is_listed) {
        return true;
    }
    if headers.contains_key(SEC_FETCH_SITE) {
        return is_same_origin(headers);
    }
    let null_is_own = null == NullOrigin::IsOwn || !rule::holds(Rule::NoOriginIsForeign);
    origin.is_none_or(|origin| origin == "null" && another.is_none() && null_is_own)
}

/// The other origins whose pages may ask as whoever is logged in: those that the route lists, for a WebSocket. Where the
/// application may read a path as another route's, this one's list does not count.
pub(super) fn listed<'r>(route: &'r RouteSettings, readings: &Readings<'_>, caller: &Caller) -> &'r [Origin] {
    match caller.kind {
        Kind::Upgrade if readings.others.is_empty() => &route.websocket_origins,
        Kind::Upgrade | Kind::Ordinary | Kind::Preflight => &[],
    }
}

/// Whether a page of one of these origins asks.
pub(super) fn is_of(headers: &HeaderMap, listed: &[Origin]) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => listed.iter().any(|listed| *origin == *listed.to_string()),
        _ => false,
    }
}

/// Whether the browser says that another site made it ask: one below the same domain too. On plain http it does not say.
pub(super) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_SITE) && !is_same_origin(headers)
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    headers.get_all(SEC_FETCH_SITE).iter().all(|from| match from.as_bytes() {
        b"same-origin" | b"none" => true,
        b"same-site" => !rule::holds(Rule::SiblingsAreForeign),
        _ => false,
    })
}
