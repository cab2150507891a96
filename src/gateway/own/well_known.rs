//! `/.well-known/jwks.json` and `/.well-known/openid-configuration`: how backends verify what we send them.

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response};

use super::{Call, only};
use crate::gateway::Shared;
use crate::gateway::body::AnswerBody;
use crate::gateway::error::Error;
use crate::token::jwks;

pub(in crate::gateway) fn key_set(shared: &Shared, call: Call<'_>) -> Result<Response<AnswerBody>, Error> {
    document(call.method, jwks::document(&shared.signing_keys))
}

/// Bound to its site: the issuer is the site's origin, and the keys are named under it, whatever `Host` was asked for.
pub(in crate::gateway) fn openid_configuration(shared: &Shared, call: Call<'_>) -> Result<Response<AnswerBody>, Error> {
    let site = &call.here.site.wire.site;
    let jwks_uri = format!("{site}/.well-known/jwks.json");
    let login = format!("{site}{}", call.here.site.login_page);
    document(call.method, jwks::openid_configuration(site, &jwks_uri, &login, &shared.signing_keys))
}

/// Public, the same for everybody, and kept for as long as a key is published before it signs.
fn document(method: &Method, text: Bytes) -> Result<Response<AnswerBody>, Error> {
    only(method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    let mut response = Response::new(AnswerBody::own(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
}
