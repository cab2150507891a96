//! `GET /qq/login/?next=/path`: begins a login. A script gets the provider's address as JSON, a browser is sent there.

use http::header::HOST;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;
use url::Url;

use super::{Call, Way, next, only, query_pairs, with_cookies};
use crate::gateway::body::AnswerBody;
use crate::gateway::caller;
use crate::gateway::error::Error;
use crate::gateway::{Shared, respond};
use crate::http::safe_redirect::SafeRedirect;
use crate::login::{Beginning, Refusal, StateShape};

/// Said by an address that we have sent a browser on to. A proxy before us that writes a `Host` of its own would
/// otherwise have it sent there for ever.
pub(super) const SENT_ON: &str = "sent-on";

pub(super) async fn answer(shared: &Shared, call: Call<'_>, way: Way<'_>) -> Result<Response<AnswerBody>, Error> {
    let next = match checked(shared, call, way)? {
        Checked::SentOn(address) => return Ok(send(call, &address)),
        Checked::Good(next) => next,
    };
    way.login.admit(call.here.caller.client.address(), call.here.now)?;
    way.login.prepare().await?;
    start(call, way, next)
}

/// What would be answered. Nothing is begun, and nobody's number of logins counts.
pub(super) fn foretell(shared: &Shared, call: Call<'_>, way: Way<'_>) -> Result<String, Error> {
    let how = match call.here.caller.is_navigation(call.method, call.headers) {
        true => "302: to",
        false => "200: JSON with the address of",
    };
    let provider = way.login.provider().title();
    Ok(match checked(shared, call, way)? {
        Checked::SentOn(address) => format!("{how} {address}, under the name that {provider} sends browsers back to"),
        Checked::Good(next) => {
            format!("{how} {provider}'s page, and back to {} after it; 429 if too many log in", next.as_str())
        }
    })
}

/// What is known before a login begins.
enum Checked {
    /// The visitor goes on to this endpoint under another name.
    SentOn(Url),
    /// It may begin, and ends there.
    Good(SafeRedirect),
}

fn checked(shared: &Shared, call: Call<'_>, way: Way<'_>) -> Result<Checked, Error> {
    only(call.method, &[Method::GET], "GET")?;
    if caller::is_prefetch(call.headers) {
        return Err(Error::Prefetch);
    }
    let next = next(shared, call);
    if let Some(address) = where_cookies_come_back(call, way, &next) {
        return Ok(Checked::SentOn(address));
    }
    // Sent to a provider that does not answer, a visitor would be lost there, or turned away when coming back.
    match way.login.unavailable(call.here.now) {
        Some(wait) => Err(Refusal::ProviderDown(wait).into()),
        None => Ok(Checked::Good(next)),
    }
}

/// Begins a login that ends at `next`.
fn start(call: Call<'_>, way: Way<'_>, next: SafeRedirect) -> Result<Response<AnswerBody>, Error> {
    let display = caller::display(call.headers);
    let beginning = Beginning { redirect_uri: way.redirect_uri, next, state: StateShape::Random, display };
    let started = way.login.start(call.headers, &call.here.site.wire, beginning, call.here.now)?;
    Ok(with_cookies(send(call, &started.login_url), started.cookies))
}

fn send(call: Call<'_>, login_url: &Url) -> Response<AnswerBody> {
    let is_navigation = call.here.caller.is_navigation(call.method, call.headers);
    match (is_navigation, HeaderValue::from_str(login_url.as_str())) {
        (true, Ok(location)) => respond::redirect(StatusCode::FOUND, location),
        _ => respond::json(&json!({ "code": "0", "errmsg": "OK", "login_url": login_url.as_str() })),
    }
}

/// This endpoint under the name that the provider sends browsers back to, if the one the visitor used is another, to
/// which alone the attempt's cookie would belong.
fn where_cookies_come_back(call: Call<'_>, way: Way<'_>, next: &SafeRedirect) -> Option<Url> {
    let host = call.headers.get(HOST)?.to_str().ok()?;
    let is_sent_on = || query_pairs(call.uri).iter().any(|(name, _)| name == SENT_ON);
    if call.here.site.cookies_come_back(host, way.redirect_uri) || is_sent_on() {
        return None;
    }
    let mut address = way.redirect_uri.join(&way.login.settings().start).ok()?;
    address.query_pairs_mut().clear().append_pair("next", next.as_str()).append_pair(SENT_ON, "1");
    Some(address)
}
