//! What kind of call a request is: read once, for every decision and every answer of ours.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, HeaderMap, HeaderName, ORIGIN, UPGRADE, USER_AGENT,
};
use http::{Method, Request};
use ipnet::IpNet;

use crate::http::language::Language;
use crate::http::{forwarded, hop_by_hop};
use crate::login::provider::Display;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");

/// Names a request in logs and on error pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What kind of call it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A browser shows the answer as a page of its own: only such a call is ever sent to log in.
    Navigation,
    /// Anything else: a script, an API client, a frame, an image.
    Script,
    /// A WebSocket or the like.
    Upgrade,
    /// A CORS preflight: it never carries credentials and is never answered 401.
    Preflight,
}

/// Who calls, and how answers should look.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Names the request.
    pub id: RequestId,
    /// What kind of call it is.
    pub kind: Kind,
    /// Whether an answer of ours is a page; otherwise it is JSON.
    pub wants_page: bool,
    /// The language of pages and messages.
    pub language: Language,
    /// Whether it changes something, or opens a way by which things are changed.
    pub is_unsafe: bool,
    /// A browser fetches ahead: the user has not asked for it.
    pub is_prefetch: bool,
    /// The client's address, as far as trusted proxies tell it.
    pub address: IpAddr,
}

impl Caller {
    /// Reads it off a request.
    pub(super) fn of<B>(request: &Request<B>, id: RequestId, peer: SocketAddr, trusted: &[IpNet]) -> Self {
        let headers = request.headers();
        let kind = kind(request.method(), headers);
        Caller {
            id,
            kind,
            is_unsafe: kind == Kind::Upgrade || !request.method().is_safe(),
            wants_page: prefers_page(headers),
            language: Language::of(headers),
            is_prefetch: is_prefetch(headers),
            address: forwarded::client_addr(peer, headers, trusted),
        }
    }
}

/// Which of a provider's pages suits the browser.
pub(super) fn display(headers: &HeaderMap) -> Display {
    if let Some(hint) = headers.get("sec-ch-ua-mobile") {
        return if hint == "?1" { Display::Mobile } else { Display::Desktop };
    }
    let agent = headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    let is_phone = [&b"Mobile"[..], b"Android", b"iPhone"].iter().any(|word| holds(agent, word));
    if is_phone { Display::Mobile } else { Display::Desktop }
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn kind(method: &Method, headers: &HeaderMap) -> Kind {
    if headers.contains_key(UPGRADE)
        && headers.get(CONNECTION).is_some_and(|connection| hop_by_hop::lists(connection, "upgrade"))
    {
        return Kind::Upgrade;
    }
    if method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    {
        return Kind::Preflight;
    }
    if is_navigation(method, headers) { Kind::Navigation } else { Kind::Script }
}

fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if method != Method::GET && method != Method::HEAD {
        return false;
    }
    if headers.contains_key(REQUESTED_WITH) || headers.contains_key(HX_REQUEST) {
        return false;
    }
    // Browsers send these on https alone; on plain http `Accept` has to tell.
    match (headers.get(SEC_FETCH_MODE), headers.get(SEC_FETCH_DEST)) {
        (None, None) => prefers_page(headers),
        (mode, destination) => {
            mode.is_some_and(|mode| mode == "navigate") && destination.is_some_and(|to| to == "document")
        }
    }
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    [SEC_PURPOSE, PURPOSE].iter().any(|name| {
        headers.get(name).is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"prefetch"))
    })
}

/// Whether `Accept` puts HTML before JSON (RFC 9110, 12.5.1). `*/*` alone is no wish for a page: scripts send it.
pub(super) fn prefers_page(headers: &HeaderMap) -> bool {
    let (html, json) = accepted(headers);
    html > 0 && html >= json
}

/// Whether `Accept` names JSON and not HTML: how API clients ask for the callback's answer.
pub(super) fn asks_for_json(headers: &HeaderMap) -> bool {
    let (html, json) = accepted(headers);
    json > 0 && html == 0
}

/// The weights of HTML and JSON, in thousandths.
fn accepted(headers: &HeaderMap) -> (u32, u32) {
    let mut weights = (0, 0);
    let items = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    for item in items {
        let mut parts = item.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|text| text.parse::<f32>().ok());
        let weight = (weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32;
        if kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml") {
            weights.0 = weights.0.max(weight);
        } else if kind.eq_ignore_ascii_case("application/json") {
            weights.1 = weights.1.max(weight);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn kind_of(method: Method, fields: &[(&str, &str)]) -> Kind {
        let mut request = Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        Caller::of(&request, RequestId(1), "127.0.0.1:1".parse().unwrap(), &[]).kind
    }

    #[test]
    fn only_a_page_of_its_own_is_a_navigation() {
        let navigate = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", "*/*")];
        assert_eq!(kind_of(Method::GET, &navigate), Kind::Navigation);
        assert_eq!(kind_of(Method::GET, &[("accept", BROWSER)]), Kind::Navigation);
        assert_eq!(kind_of(Method::HEAD, &[("accept", BROWSER)]), Kind::Navigation);
        for fields in [
            &[("accept", "*/*")][..],
            &[],
            &[("accept", "application/json, text/html;q=0.5")],
            &[("accept", BROWSER), ("x-requested-with", "XMLHttpRequest")],
            &[("accept", BROWSER), ("hx-request", "true")],
            &[("accept", BROWSER), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            &[("accept", BROWSER), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            &[("accept", BROWSER), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
        ] {
            assert_eq!(kind_of(Method::GET, fields), Kind::Script, "{fields:?}");
        }
        assert_eq!(kind_of(Method::POST, &[("accept", BROWSER)]), Kind::Script);
    }

    #[test]
    fn upgrades_and_preflights_are_told_apart() {
        let upgrade = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket"), ("accept", BROWSER)];
        assert_eq!(kind_of(Method::GET, &upgrade), Kind::Upgrade);
        let preflight = [("origin", "http://a"), ("access-control-request-method", "POST")];
        assert_eq!(kind_of(Method::OPTIONS, &preflight), Kind::Preflight);
        assert_eq!(kind_of(Method::OPTIONS, &[("origin", "http://a")]), Kind::Script);
    }

    #[test]
    fn json_is_asked_for_by_name() {
        let asks = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            (asks_for_json(&headers), prefers_page(&headers))
        };
        assert_eq!(asks("application/json"), (true, false));
        assert_eq!(asks("application/json, */*"), (true, false));
        assert_eq!(asks("application/json, text/html"), (false, true));
        assert_eq!(asks("*/*"), (false, false));
        assert_eq!(asks(BROWSER), (false, true));
    }
}
