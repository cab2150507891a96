//! `GET /qq/login/?next=/path`: begins a login. A script gets the provider's address as JSON, a browser is sent there.

use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::{Call, next, only, with_cookies};
use crate::gateway::body::AnswerBody;
use crate::gateway::caller;
use crate::gateway::error::Error;
use crate::gateway::{Shared, respond};
use crate::http::safe_redirect::SafeRedirect;
use crate::login::Refusal;

pub(in crate::gateway) fn answer(shared: &Shared, call: Call<'_>) -> Result<Response<AnswerBody>, Error> {
    only(call.method, &[Method::GET], "GET")?;
    if caller::is_prefetch(call.headers) {
        return Err(Error::Prefetch);
    }
    // Sent to a provider that does not answer, a visitor would be lost there, or turned away when coming back.
    if let Some(wait) = shared.login.unavailable(call.here.now) {
        return Err(Refusal::ProviderDown(wait).into());
    }
    shared.login.admit(call.here.caller.client.address(), call.here.now)?;
    start(shared, call, next(shared, call))
}

/// Begins a login that ends at `next`.
pub(in crate::gateway) fn start(
    shared: &Shared,
    call: Call<'_>,
    next: SafeRedirect,
) -> Result<Response<AnswerBody>, Error> {
    let display = caller::display(call.headers);
    let site = call.here.site;
    let started = shared.login.start(call.headers, &site.wire, &site.redirect_uri, next, display, call.here.now)?;
    let login_url = started.login_url.as_str();
    let is_navigation = call.here.caller.is_navigation(call.method, call.headers);
    let response = match (is_navigation, HeaderValue::from_str(login_url)) {
        (true, Ok(location)) => respond::redirect(StatusCode::FOUND, location),
        _ => respond::json(&json!({ "code": "0", "errmsg": "OK", "login_url": login_url })),
    };
    Ok(with_cookies(response, started.cookies))
}
