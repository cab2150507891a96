//! A request's head, made ready for the next hop, and an answer's head on its way back.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Response, StatusCode, Uri, Version};

use super::permit::Permit;
use super::{Error, HostHeader};
use crate::http::hop_by_hop::{self, Hop};
use crate::rule::{self, Rule};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// Which header tells an upstream where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Where a request comes from, as the upstream is told. Host and scheme are the site's, not what the client wrote.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// `X-Forwarded-For`: the client's address, then those of the trusted proxies it came through.
    pub forwarded_for: HeaderValue,
    /// `http` or `https`.
    pub proto: &'static str,
    /// The site's host and port.
    pub host: HeaderValue,
    /// What is told of the client's certificate. A client may name these fields in `Connection`: they come after those that
    /// are dropped by it.
    pub certificate: Vec<(HeaderName, HeaderValue)>,
    /// The session's user, whose requests may belong together. Nothing of it is sent.
    pub user: Option<[u8; 16]>,
}

/// Makes a request's head ready for the next hop. The caller has taken out what clients must not send.
pub(super) fn prepare(
    parts: &mut Parts,
    host: &HostHeader,
    forwarding: Forwarding,
    visitor: &Visitor,
    permit: &Permit,
    upgrades: &[String],
) -> Result<Hop, Error> {
    let mut hop = hop_by_hop::remove(&mut parts.headers)?;
    if parts.version < Version::HTTP_11 {
        // Neither means anything from such a client (RFC 9110, 7.8 and 10.1.1).
        hop.upgrade = None;
        parts.headers.remove(EXPECT);
    }
    // A chunked body must stay one: without this, hyper's client would send a chunked GET with no body at all.
    if hop.chunked && rule::holds(Rule::ChunksCountAndNoLengthBesideThem) {
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(length) = hop_by_hop::length(&parts.headers)? {
        // However it was written: HTTP/2 may tell it twice, and to some a zero before it makes another number.
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    hop.upgrade = hop.upgrade.as_ref().and_then(|offered| allowed(offered, upgrades));
    connection_fields(&mut parts.headers, &hop);
    match host {
        HostHeader::Keep if parts.headers.contains_key(HOST) => {}
        HostHeader::Keep => {
            parts.headers.insert(HOST, visitor.host.clone());
        }
        HostHeader::Set(host) => {
            let host = HeaderValue::try_from(host).unwrap_or_else(|_| visitor.host.clone());
            parts.headers.insert(HOST, host);
        }
    }
    forwarding_fields(&mut parts.headers, forwarding, visitor);
    for (name, value) in &visitor.certificate {
        parts.headers.insert(name, value.clone());
    }
    if let Some(identity) = permit.identity() {
        for (name, value) in identity.iter() {
            parts.headers.insert(name, value.clone());
        }
    }
    parts.version = Version::HTTP_11;
    if parts.uri.authority().is_some() {
        parts.uri = origin_form(&parts.uri);
    }
    Ok(hop)
}

fn connection_fields(headers: &mut HeaderMap, hop: &Hop) {
    if let Some(protocol) = &hop.upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    } else if hop.takes_trailers {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

fn forwarding_fields(headers: &mut HeaderMap, forwarding: Forwarding, visitor: &Visitor) {
    match forwarding {
        Forwarding::XForwarded => {
            headers.insert(FORWARDED_FOR, visitor.forwarded_for.clone());
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(visitor.proto));
            headers.insert(FORWARDED_HOST, visitor.host.clone());
        }
        Forwarding::Forwarded => {
            let hops = visitor.forwarded_for.to_str().unwrap_or_default().split(", ");
            let nodes: Vec<String> = hops.map(rfc_7239_node).collect();
            let host = visitor.host.to_str().unwrap_or_default();
            let text = format!("{};host=\"{host}\";proto={}", nodes.join(", "), visitor.proto);
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(FORWARDED, value);
            }
        }
    }
}

/// `for=192.0.2.1` or `for="[2001:db8::1]"` (RFC 7239, 6).
fn rfc_7239_node(address: &str) -> String {
    if address.contains(':') { format!("for=\"[{address}]\"") } else { format!("for={address}") }
}

/// The first of the offered protocols that may be upgraded to, and nothing else.
fn allowed(offered: &HeaderValue, upgrades: &[String]) -> Option<HeaderValue> {
    let offered = offered.to_str().ok()?;
    let protocol = offered.split(',').map(str::trim).find(|offer| {
        upgrades.iter().any(|known| known.eq_ignore_ascii_case(offer)) || !rule::holds(Rule::ListedUpgradesAlone)
    })?;
    HeaderValue::from_str(protocol).ok()
}

/// A target in absolute form, as proxies send it, goes on in origin form: of one without a path (`http://host#top`) too
/// there is a `/` (RFC 9112, 3.2.1).
fn origin_form(uri: &Uri) -> Uri {
    let mut parts = http::uri::Parts::default();
    // Shown as text it has the `/` that it may lack; as it is, it would be shown as nothing.
    let target = uri.path_and_query().and_then(|target| PathAndQuery::try_from(target.to_string()).ok());
    parts.path_and_query = target.or(Some(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_default()
}

/// Makes an answer's head ready for the client.
pub(super) fn accept<B>(response: &mut Response<B>, asked: &Hop, is_head: bool) -> Result<(), Error> {
    let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if is_upgrade && !answers_upgrade(response.headers(), asked) && rule::holds(Rule::NobodySwitchesUnasked) {
        return Err(Error::UnaskedUpgrade);
    }
    let has_length = response.headers().contains_key(CONTENT_LENGTH);
    // hyper takes `2, 2` for 2; others would not (RFC 9110, 8.6).
    let is_number = |length: &HeaderValue| !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
    if !response.headers().get_all(CONTENT_LENGTH).iter().all(is_number)
        && rule::holds(Rule::AnAnswersLengthIsOneNumber)
    {
        return Err(Error::UnreadableFraming);
    }
    let hop = hop_by_hop::remove(response.headers_mut()).map_err(|_| Error::UnreadableFraming)?;
    if is_upgrade {
        connection_fields(response.headers_mut(), &Hop { takes_trailers: false, ..hop });
        return Ok(());
    }
    if hop.chunked && rule::holds(Rule::AnswersEndByTheirChunks) {
        // The chunks are what counted; a length beside them would cut or stretch the body (RFC 9112, 6.3).
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    if response.status() == StatusCode::NO_CONTENT {
        // It has no content, and no length of any (RFC 9110, 8.6): in HTTP/2 the stream would be malformed.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    let has_body = !is_head && !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    // An answer that ends with its connection cannot be told from one that was cut off. Said in chunks it would claim
    // to be whole, so it ends with the client's connection too.
    let ends_with_connection = has_body && !has_length && !hop.chunked && response.version() != Version::HTTP_2;
    *response.version_mut() = if ends_with_connection { Version::HTTP_10 } else { Version::HTTP_11 };
    Ok(())
}

fn answers_upgrade(headers: &HeaderMap, asked: &Hop) -> bool {
    let is_upgrade = headers.get_all(CONNECTION).iter().any(|connection| hop_by_hop::lists(connection, "upgrade"));
    match (&asked.upgrade, headers.get(UPGRADE)) {
        (Some(asked), Some(given)) => is_upgrade && asked.as_bytes().eq_ignore_ascii_case(given.as_bytes()),
        _ => false,
    }
}
