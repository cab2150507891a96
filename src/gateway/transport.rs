//! Sites that are reached over TLS alone, or by those alone who have shown a certificate.

use http::header::{HeaderValue, STRICT_TRANSPORT_SECURITY};
use http::{Response, StatusCode, Uri};

use super::body::AnswerBody;
use super::caller::Caller;
use super::error::Error;
use super::{SiteContext, SiteContexts, respond};
use crate::http::client_certificate::ClientAuth;
use crate::rule::{self, Rule};
use crate::telemetry::line::Line;

/// Whether a request is sent on to where there is TLS.
pub(super) fn is_sent_on(site: &SiteContext, caller: &Caller) -> bool {
    site.is_tls_alone && !caller.is_secure
}

/// Whether a request came in by another way than its site's: its client was asked for a certificate as another site asks
/// (RFC 9110, 15.5.20: browsers come back by a connection of its own), or by nobody, in plain text or through a proxy before
/// us, where its site serves nobody without.
pub(super) fn is_misdirected(site: &SiteContext, caller: &Caller) -> bool {
    let wanted = site.site.client_auth;
    let is_its_own = match &caller.tls {
        Some(handshake) => handshake.asked == wanted,
        None => wanted != ClientAuth::Required,
    };
    !is_its_own && rule::holds(Rule::ASitesPolicyIsItsHandshakes)
}

/// The site of this name, for who came to another port of it without TLS: that is sent on, too.
///
/// # Errors
/// What it was before, for anybody else.
pub(super) fn meant<'s>(error: Error, caller: &Caller, sites: &'s SiteContexts) -> Result<&'s SiteContext, Error> {
    let host = if let Error::UnknownHost { host } = &error { Some(host.as_str()) } else { None };
    host.filter(|_| !caller.is_secure).and_then(|host| sites.over_tls_at(host)).ok_or(error)
}

/// Sends whoever came without TLS to the same address with it: on the site's own host, whatever host was asked for, and
/// with the same method.
pub(super) fn over_tls(target: &Uri, site: &SiteContext, line: &mut Option<Box<Line>>) -> Response<AnswerBody> {
    if let Some(line) = line {
        line.decision = "over-tls";
    }
    let there = HeaderValue::try_from(address(target, site));
    respond::redirect(StatusCode::PERMANENT_REDIRECT, there.unwrap_or(HeaderValue::from_static("/")))
}

/// What was asked for, on the site's own host and with TLS.
pub(super) fn address(target: &Uri, site: &SiteContext) -> String {
    let path = target.path_and_query().map_or("/", |target| target.as_str());
    format!("{}{}", site.site.origin, if path.starts_with('/') { path } else { "/" })
}

/// Tells a browser to come over TLS from now on (RFC 6797), unless the application has said so in its own words.
pub(super) fn insist(response: &mut Response<AnswerBody>, site: &SiteContext, caller: &Caller) {
    if let Some(hsts) = site.hsts.as_ref().filter(|_| caller.is_secure) {
        response.headers_mut().entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
    }
}
