//! What kind of call a request is: read once, for every decision and every answer of ours.

use std::fmt;

use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{Method, Request};

use super::origin;
use crate::http::client_certificate::Handshake;
use crate::http::forwarded::Client;
use crate::http::hop_by_hop;
use crate::http::language::Language;
use crate::http::peer::{Peer, Peers};
use crate::login::provider::Display;
use crate::rule::{self, Rule};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
// Older browsers' names for it.
const X_PURPOSE: HeaderName = HeaderName::from_static("x-purpose");
const X_MOZ: HeaderName = HeaderName::from_static("x-moz");
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
    /// A browser's navigation, a script, an API client, an image.
    Ordinary,
    /// A WebSocket or the like.
    Upgrade,
    /// A CORS preflight: it never carries credentials and is never answered 401.
    Preflight,
}

/// Who calls, and how answers should look. What only an answer of ours asks for is kept as sent, and read then: most
/// requests never come to that.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Names the request.
    pub id: RequestId,
    /// What kind of call it is.
    pub kind: Kind,
    /// Whether it changes something, or opens a way by which things are changed.
    pub is_unsafe: bool,
    /// Where it comes from, as far as trusted proxies tell it.
    pub client: Client,
    /// How it came over TLS to us, if it did.
    pub tls: Option<Handshake>,
    /// Whether nobody on the way reads it: it came over TLS, to us or to a trusted proxy.
    pub is_secure: bool,
    accept: Option<HeaderValue>,
    accept_language: Option<HeaderValue>,
    /// The page that asks, where a browser names one; none where several are named.
    pub(super) origin: Option<HeaderValue>,
}

impl Caller {
    /// Reads it off a request.
    pub(super) fn of<B>(request: &Request<B>, id: RequestId, peer: &Peer, trusted: &Peers) -> Self {
        let headers = request.headers();
        let kind = kind(request.method(), headers);
        Caller {
            id,
            kind,
            is_unsafe: kind == Kind::Upgrade || !request.method().is_safe(),
            client: peer.client.behind(headers, trusted),
            tls: peer.tls.clone(),
            is_secure: peer.tls.is_some() || peer.client.comes_over_https(headers, trusted),
            accept: whole(headers, &ACCEPT),
            accept_language: whole(headers, &ACCEPT_LANGUAGE),
            origin: only(headers, &ORIGIN),
        }
    }

    /// Whether a browser shows the answer as a page of its own: only such a call is ever sent to log in.
    pub(super) fn is_navigation(&self, method: &Method, headers: &HeaderMap) -> bool {
        if self.kind != Kind::Ordinary || (method != Method::GET && method != Method::HEAD) {
            return false;
        }
        if headers.contains_key(REQUESTED_WITH) || headers.contains_key(HX_REQUEST) {
            return false;
        }
        // Browsers send these on https alone; on plain http `Accept` has to tell.
        match (headers.get(SEC_FETCH_MODE), headers.get(SEC_FETCH_DEST)) {
            (None, None) => prefers_page(self.accept.as_ref()),
            (mode, destination) => {
                mode.is_some_and(|mode| mode == "navigate") && destination.is_some_and(|to| to == "document")
            }
        }
    }

    /// Whether `Accept` names JSON and not HTML: how API clients ask for the callback's answer.
    pub(super) fn asks_for_json(&self) -> bool {
        let (html, json) = weights(self.accept.as_ref());
        json > 0 && html == 0
    }

    /// Whether an answer of ours is a page; otherwise it is JSON.
    pub(super) fn wants_page(&self) -> bool {
        self.kind != Kind::Upgrade && prefers_page(self.accept.as_ref())
    }

    /// The language of pages and messages.
    pub(super) fn language(&self) -> Language {
        Language::accepted(self.accept_language.as_ref())
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

fn kind(method: &Method, headers: &HeaderMap) -> Kind {
    if headers.get_all(UPGRADE).iter().any(leaves_http)
        && headers.get_all(CONNECTION).iter().any(|connection| hop_by_hop::lists(connection, "upgrade"))
    {
        return Kind::Upgrade;
    }
    if is_preflight(method, headers) { Kind::Preflight } else { Kind::Ordinary }
}

/// Whether an `Upgrade` offers more than another version of HTTP, as curl does with a request like any other.
fn leaves_http(offered: &HeaderValue) -> bool {
    let offers = offered.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    offers.into_iter().any(|offer| !offer.is_empty() && !offer.eq_ignore_ascii_case(b"h2c"))
}

/// Whether it is what a browser asks before a script's request (Fetch, 4.8): it names a method, and has neither a body
/// nor credentials. Anything else by OPTIONS is a request like any other: some applications do not look at the method.
fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    let names_method = |value: &HeaderValue| Method::from_bytes(value.as_bytes()).is_ok();
    let is_empty = |length: &HeaderValue| length.as_bytes() == b"0";
    let brings_something = || {
        !headers.get(CONTENT_LENGTH).is_none_or(is_empty)
            || headers.contains_key(TRANSFER_ENCODING)
            || headers.contains_key(AUTHORIZATION)
    };
    method == Method::OPTIONS
        && headers.get(ORIGIN).is_some_and(|origin| !origin.is_empty())
        && headers.get(ACCESS_CONTROL_REQUEST_METHOD).is_some_and(names_method)
        && !(brings_something() && rule::holds(Rule::PreflightsBringNothing))
}

/// Whether a browser fetches ahead: the user has not asked for it.
pub(super) fn is_prefetch(headers: &HeaderMap) -> bool {
    let said = [SEC_PURPOSE, PURPOSE, X_PURPOSE, X_MOZ].iter().any(|name| {
        headers
            .get_all(name)
            .iter()
            .map(|value| value.as_bytes().to_ascii_lowercase())
            .any(|said| [&b"prefetch"[..], b"prerender", b"preview"].iter().any(|word| holds(&said, word)))
    });
    said && rule::holds(Rule::PrefetchesBeginAndEndNothing)
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

/// Whether a page only loads this for itself, as an image or a style: no user has gone there, and no script of the site's
/// own has called. Whatever another site's page does but lead there is such a load: a frame, a script's call.
pub(super) fn is_embedded(headers: &HeaderMap) -> bool {
    let kind = headers.get(&SEC_FETCH_DEST).map(HeaderValue::as_bytes);
    let is_led_there = headers.get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate") && kind == Some(b"document");
    let embedded = [&b"image"[..], b"style", b"script", b"font", b"audio", b"video", b"track", b"manifest", b"xslt"];
    let is_loaded = kind.is_some_and(|kind| embedded.contains(&kind));
    (is_loaded || (origin::is_from_elsewhere(headers) && !is_led_there)) && rule::holds(Rule::EmbeddedLoadsEndNothing)
}

/// A field that comes once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut fields = headers.get_all(name).iter();
    let first = fields.next()?;
    fields.next().is_none().then(|| first.clone())
}

/// A list's fields as one (RFC 9110, 5.3).
fn whole(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut fields = headers.get_all(name).iter();
    let first = fields.next()?;
    let mut rest = fields.peekable();
    if rest.peek().is_none() {
        return Some(first.clone());
    }
    let all: Vec<&[u8]> = std::iter::once(first).chain(rest).map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&all.join(&b", "[..])).ok()
}

/// Whether `Accept` puts HTML before JSON (RFC 9110, 12.5.1). `*/*` alone is no wish for a page: scripts send it.
fn prefers_page(accept: Option<&HeaderValue>) -> bool {
    let (html, json) = weights(accept);
    html > 0 && html >= json
}

/// The weights of HTML and JSON, in thousandths.
fn weights(accept: Option<&HeaderValue>) -> (u32, u32) {
    let (mut html, mut json) = (0, 0);
    for item in accept.and_then(|value| value.to_str().ok()).unwrap_or_default().split(',') {
        let mut parts = item.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|text| text.parse::<f32>().ok());
        let weight = (weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32;
        if kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml") {
            html = html.max(weight);
        } else if kind.eq_ignore_ascii_case("application/json") {
            json = json.max(weight);
        }
    }
    (html, json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::peer::Remote;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn call(method: Method, fields: &[(&str, &str)]) -> (Request<()>, Caller) {
        let mut request = Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let remote = Remote::Network("127.0.0.1:1".parse().unwrap());
        let peer = Peer { remote, client: Client::of(remote), tls: None };
        let caller = Caller::of(&request, RequestId(1), &peer, &Peers::default());
        (request, caller)
    }

    fn is_navigation(method: Method, fields: &[(&str, &str)]) -> bool {
        let (request, caller) = call(method, fields);
        caller.is_navigation(request.method(), request.headers())
    }

    fn kind_of(method: Method, fields: &[(&str, &str)]) -> Kind {
        call(method, fields).1.kind
    }

    #[test]
    fn only_a_page_of_its_own_is_a_navigation() {
        let navigate = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", "*/*")];
        assert!(is_navigation(Method::GET, &navigate));
        assert!(is_navigation(Method::GET, &[("accept", BROWSER)]));
        assert!(is_navigation(Method::HEAD, &[("accept", BROWSER)]));
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
            assert!(!is_navigation(Method::GET, fields), "{fields:?}");
        }
        assert!(!is_navigation(Method::POST, &[("accept", BROWSER)]));
        let upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), ("accept", BROWSER)];
        assert!(!is_navigation(Method::GET, &upgrade));
    }

    #[test]
    fn upgrades_and_preflights_are_told_apart() {
        let upgrade = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket"), ("accept", BROWSER)];
        assert_eq!(kind_of(Method::GET, &upgrade), Kind::Upgrade);
        let in_two_lines = [("connection", "keep-alive"), ("connection", "Upgrade"), ("upgrade", "websocket")];
        assert_eq!(kind_of(Method::GET, &in_two_lines), Kind::Upgrade);
        let preflight = [("origin", "http://a"), ("access-control-request-method", "POST")];
        assert_eq!(kind_of(Method::OPTIONS, &preflight), Kind::Preflight);
        assert_eq!(kind_of(Method::OPTIONS, &[("origin", "http://a")]), Kind::Ordinary);
        // What no browser sends as a preflight is guarded like anything else.
        for more in [("content-length", "14"), ("transfer-encoding", "chunked"), ("authorization", "Bearer x")] {
            assert_eq!(kind_of(Method::OPTIONS, &[preflight[0], preflight[1], more]), Kind::Ordinary, "{more:?}");
        }
        for (origin, method) in [("http://a", ""), ("", "POST"), ("http://a", "PO ST")] {
            let fields = [("origin", origin), ("access-control-request-method", method)];
            assert_eq!(kind_of(Method::OPTIONS, &fields), Kind::Ordinary, "{fields:?}");
        }
        assert_eq!(kind_of(Method::OPTIONS, &[preflight[0], preflight[1], ("content-length", "0")]), Kind::Preflight);
        let offer = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("accept", BROWSER)];
        assert_eq!(kind_of(Method::GET, &offer), Kind::Ordinary, "as curl --http2 sends it");
    }

    #[test]
    fn json_is_asked_for_by_name() {
        let asks = |accept: &str| {
            let (_, caller) = call(Method::GET, &[("accept", accept)]);
            (caller.asks_for_json(), caller.wants_page())
        };
        assert_eq!(asks("application/json"), (true, false));
        assert_eq!(asks("application/json, */*"), (true, false));
        assert_eq!(asks("application/json, text/html"), (false, true));
        assert_eq!(asks("*/*"), (false, false));
        assert_eq!(asks(BROWSER), (false, true));
        let (_, twice) = call(Method::GET, &[("accept", "application/json;q=0.5"), ("accept", "text/html")]);
        assert!(twice.wants_page() && !twice.asks_for_json());
    }
}
