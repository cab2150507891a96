//! Pages of other origins whose scripts may read what we answer ourselves (Fetch, 3.2). The application speaks for its own
//! answers.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HeaderMap, HeaderValue, VARY,
};
use http::{Response, StatusCode};

use super::body::AnswerBody;
use super::caller::{Caller, Kind};
use super::respond;
use super::site::SiteContext;
use crate::http::cookie::is_token;
use crate::rule::{self, Rule};

/// What scripts may send us: our endpoints take no more.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");

/// For how many seconds a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The longest list of header names that is granted.
const MAX_NAMES: usize = 1024;

/// What a browser is told that asks whether a script of a listed page may call an endpoint of ours.
pub(super) fn preflight(site: &SiteContext, caller: &Caller, headers: &HeaderMap) -> Option<Response<AnswerBody>> {
    if caller.kind != Kind::Preflight {
        return None;
    }
    listed(site, caller)?;
    let mut response = respond::empty(StatusCode::NO_CONTENT);
    allow(&mut response, site, caller);
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if let Some(names) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|names| are_names(names)) {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    Some(response)
}

/// Lets a script of a listed page read an answer of ours.
pub(super) fn allow(response: &mut Response<AnswerBody>, site: &SiteContext, caller: &Caller) {
    if site.site.cors_origins.is_empty() {
        return;
    }
    // Whoever asks: what is kept must not be shown to another page.
    let headers = response.headers_mut();
    if headers.get_all(VARY).iter().all(|vary| vary != "Origin") {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = listed(site, caller) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// The origin of the page that asks, if the site lists it.
fn listed<'c>(site: &SiteContext, caller: &'c Caller) -> Option<&'c HeaderValue> {
    let origin = caller.origin.as_ref()?;
    let is_listed = origin.to_str().is_ok_and(|origin| site.site.is_cors_origin(origin));
    (is_listed || !rule::holds(Rule::ListedPagesAloneRead)).then_some(origin)
}

fn are_names(names: &HeaderValue) -> bool {
    names.len() <= MAX_NAMES && names.as_bytes().iter().all(|byte| is_token(*byte) || b", ".contains(byte))
}
