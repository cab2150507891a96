//! Our own endpoints: one file each.

pub(super) mod callback;
pub(super) mod health;
pub(super) mod login_page;
pub(super) mod login_start;
pub(super) mod logout;
pub(super) mod userinfo;
pub(super) mod well_known;

use http::header::HeaderMap;
use http::{HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;

use super::body::AnswerBody;
use super::error::Error;
use super::route::OwnPath;
use super::{Gateway, Here, Shared, SiteContext, cookies};
use crate::session::Presented;
use crate::telemetry::line::{Line, Route};

/// A request, as far as endpoints of our own need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'r> {
    method: &'r Method,
    uri: &'r Uri,
    pub(super) headers: &'r HeaderMap,
    pub(super) here: Here<'r>,
}

impl Gateway {
    /// Answers a request for an endpoint of ours.
    pub(super) async fn answer_own(
        &self,
        own: OwnPath,
        request: &Request<Incoming>,
        here: Here<'_>,
        line: &mut Option<Box<Line>>,
    ) -> Result<Response<AnswerBody>, Error> {
        if let Some(line) = line {
            line.route = Some(Route::Own(own.name()));
            line.decision = "own";
        }
        let shared = &*self.shared;
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let call = Call { method, uri, headers, here };
        match own {
            OwnPath::LoginStart => login_start::answer(shared, call),
            OwnPath::LoginPage => login_page::answer(shared, call),
            OwnPath::Jwks => well_known::key_set(shared, call),
            OwnPath::OpenIdConfiguration => well_known::openid_configuration(shared, call),
            OwnPath::Health => health::answer(method),
            OwnPath::Callback => {
                let session = self.sessions.load_cookie(headers, &here.site.wire, here.now).await;
                callback::answer(shared, call, session.session().map(AsRef::as_ref)).await
            }
            OwnPath::Logout => logout::answer(shared, call, &self.sessions).await,
            OwnPath::UserInfo => userinfo::answer(shared, call, &self.session(call).await?),
            OwnPath::Nothing => Err(Error::NotFound),
        }
    }

    /// By token or cookie.
    async fn session(&self, call: Call<'_>) -> Result<Presented, Error> {
        let (wire, now) = (&call.here.site.wire, call.here.now);
        match self.sessions.load_token(call.headers, wire, now).await? {
            Some(proof) => Ok(Presented::Session(proof)),
            None => Ok(self.sessions.load_cookie(call.headers, wire, now).await),
        }
    }
}

/// Nobody is logged in who must be; whoever was is told so by his cookies too.
pub(super) fn login_needed(shared: &Shared, presented: &Presented, site: &SiteContext) -> Error {
    Error::LoginNeeded { removals: cookies::removed_if_over(shared, presented, site) }
}

/// The query as decoded pairs, in order.
fn query_pairs(uri: &http::Uri) -> Vec<(String, String)> {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// Refuses every method but those an endpoint takes.
fn only(method: &Method, allowed: &[Method], allow: &'static str) -> Result<(), Error> {
    if allowed.contains(method) { Ok(()) } else { Err(Error::MethodNotAllowed { allow: allow.into() }) }
}

fn add_cookies(headers: &mut HeaderMap, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        headers.append(http::header::SET_COOKIE, cookie);
    }
}

/// The answer, with cookies set.
fn with_cookies(
    mut response: Response<AnswerBody>,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response<AnswerBody> {
    add_cookies(response.headers_mut(), cookies);
    response
}
