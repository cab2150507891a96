//! Our own endpoints: one file each.

pub(super) mod acme_challenge;
pub(super) mod callback;
mod foretell;
pub(super) mod front_end;
pub(super) mod health;
pub(super) mod login_page;
pub(super) mod login_start;
pub(super) mod logout;
pub(super) mod userinfo;
pub(super) mod well_known;

use std::sync::Arc;

use http::header::HeaderMap;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use url::Url;

use super::body::AnswerBody;
use super::error::Error;
use super::own_paths::OwnPath;
use super::{Found, Gateway, Here, Passing, Shared, SiteContext, cookies, cors, respond};
use crate::http::request_path;
use crate::http::safe_redirect::SafeRedirect;
use crate::login::Login;
use crate::rule::{self, Rule};
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

/// One way to log in, as it is at a site.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'r> {
    login: &'r Arc<Login>,
    redirect_uri: &'r Url,
}

impl<'r> Way<'r> {
    /// The way with a provider, by its place. There is one for each path that leads here.
    fn at(call: Call<'r>, shared: &'r Shared, place: usize) -> Result<Self, Error> {
        let way = shared.logins.at(place).zip(call.here.site.redirect_uri_of(place));
        way.map(|(login, redirect_uri)| Way { login, redirect_uri }).ok_or(Error::NotFound)
    }
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
            OwnPath::LoginStart(at) => login_start::answer(shared, call, Way::at(call, shared, at)?).await,
            OwnPath::Jwks => well_known::key_set(shared, call),
            OwnPath::OpenIdConfiguration => well_known::openid_configuration(shared, call),
            OwnPath::Health => health::answer(method),
            OwnPath::LoginPage => {
                let session = self.sessions.load_cookie(headers, &here.site.wire, here.now).await;
                note_user(line, &session);
                login_page::answer(shared, call, session.session().map(AsRef::as_ref))
            }
            OwnPath::Callback(at) => {
                let way = Way::at(call, shared, at)?;
                let session = self.sessions.load_cookie(headers, &here.site.wire, here.now).await;
                note_user(line, &session);
                callback::answer(shared, call, way, session.session().map(AsRef::as_ref), line).await
            }
            OwnPath::FrontEndStart => front_end::start(shared, call),
            OwnPath::FrontEndCallback => {
                let session = self.sessions.load_cookie(headers, &here.site.wire, here.now).await;
                front_end::hand_in(shared, call, session.session().map(AsRef::as_ref), line).await
            }
            OwnPath::Logout => {
                if let Ok(session) = self.session(call).await {
                    note_user(line, &session);
                }
                logout::answer(shared, call, &self.sessions).await
            }
            OwnPath::UserInfo => {
                let session = self.session(call).await?;
                note_user(line, &session);
                userinfo::answer(shared, call, &session)
            }
            // Answered before any site is looked for.
            OwnPath::Auth | OwnPath::Nothing => Err(Error::NotFound),
        }
    }

    /// The same, so that scripts of pages elsewhere that belong to the site can read it.
    pub(super) async fn answer_own_in_view(
        &self,
        own: OwnPath,
        request: &Request<Incoming>,
        here: Here<'_>,
        line: &mut Option<Box<Line>>,
    ) -> Result<Response<AnswerBody>, Error> {
        if let Some(response) = cors::preflight(here.site, here.caller, request.headers()) {
            return Ok(response);
        }
        let mut response = self.answer_own(own, request, here, line).await?;
        cors::allow(&mut response, here.site, here.caller);
        Ok(response)
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

fn note_user(line: &mut Option<Box<Line>>, presented: &Presented) {
    if let (Some(line), Some(proof)) = (line, presented.session()) {
        line.user = Some(Arc::clone(&proof.logged));
    }
}

/// Sends a browser that met a guarded page to where one logs in; it comes back to where it wanted to go. Whoever was logged
/// in is told so by his cookies too.
pub(super) fn invite(shared: &Shared, wanted: &Uri, passing: &Passing<'_>, here: Here<'_>) -> Response<AnswerBody> {
    let Passing { found: Found { matched, .. }, presented } = passing;
    let page = matched.route.handling.not_logged_in.page(wanted, here.site);
    let location = page.unwrap_or_else(|| login_page::leading_to(wanted, here.site));
    let response = respond::redirect(StatusCode::FOUND, location);
    with_cookies(response, cookies::removed_if_over(shared, presented, here.site))
}

/// Nobody is logged in who must be; whoever was is told so by his cookies too.
fn login_needed(shared: &Shared, presented: &Presented, site: &SiteContext) -> Error {
    Error::LoginNeeded { removals: cookies::removed_if_over(shared, presented, site) }
}

/// The same of a route, which may have words of its own for it.
pub(super) fn turn_away(
    shared: &Shared,
    wanted: &Uri,
    passing: &Passing<'_>,
    here: Here<'_>,
) -> Result<Response<AnswerBody>, Error> {
    let Passing { found: Found { matched, .. }, presented } = passing;
    let words = matched.route.handling.not_logged_in.answer(wanted, here.site);
    match words.filter(|_| !here.caller.wants_page()) {
        Some(mut response) => {
            cors::allow(&mut response, here.site, here.caller);
            Ok(with_cookies(response, cookies::removed_if_over(shared, presented, here.site)))
        }
        None => Err(login_needed(shared, presented, here.site)),
    }
}

/// Where a login ends that is begun with this query. Not at an endpoint of ours: that would be another login, or a page
/// that asks whether to log out again.
fn next(shared: &Shared, call: Call<'_>) -> SafeRedirect {
    next_called(shared, call, "next")
}

/// The same of a query that calls it by another name.
fn next_called(shared: &Shared, call: Call<'_>, name: &str) -> SafeRedirect {
    let pairs = query_pairs(call.uri);
    let next = pairs.iter().find(|(found, _)| found == name).map_or("/", |(_, next)| next);
    let next = SafeRedirect::parse(next, &call.here.site.site);
    if is_page(&next, shared) && !is_logout(&next, shared, call.here.site) { next } else { SafeRedirect::home() }
}

/// Whether a place is not an endpoint of ours, in any spelling, here or at another site of ours.
fn is_page(place: &SafeRedirect, shared: &Shared) -> bool {
    let Some(path) = place.path_where(|host| shared.sites.find(host).is_some()) else { return true };
    let of_a_front_end = |path| shared.sites.iter().any(|site| site.own_path(path).is_some());
    let is_page = request_path::read(path).is_ok_and(|readings| !shared.own_paths.is_ours(path, &readings));
    let is_page = is_page && !of_a_front_end(path);
    is_page || !rule::holds(Rule::NoLoginEndsAtOurEndpoints)
}

/// Whether a place is a shop's own logout link, here or at another site of ours: a login that ends there would be over at
/// once.
fn is_logout(place: &SafeRedirect, shared: &Shared, here: &SiteContext) -> bool {
    let mut site = Some(here);
    let path = place.path_where(|host| {
        site = shared.sites.find(host);
        site.is_some()
    });
    let readings = path.and_then(|path| request_path::read(path).ok());
    let is_link = site.zip(readings).is_some_and(|(site, readings)| site.site.is_logout_link(&readings));
    is_link && rule::holds(Rule::NoLoginEndsAtALogout)
}

/// The query as decoded pairs, in order.
fn query_pairs(uri: &http::Uri) -> Vec<(String, String)> {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// Refuses every method but those an endpoint takes.
fn only(method: &Method, allowed: &[Method], allow: &'static str) -> Result<(), Error> {
    let takes = allowed.contains(method) || !rule::holds(Rule::OwnEndpointsTakeTheirMethodsAlone);
    if takes { Ok(()) } else { Err(Error::MethodNotAllowed { allow: allow.into() }) }
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
