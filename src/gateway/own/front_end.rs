//! The two calls of a site's separate front end: one that begins a login, one that hands in the code that QQ gave its page.

use std::borrow::Cow;
use std::convert::Infallible;

use http::header::{REFERER, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::login_start::SENT_ON;
use super::{Call, add_cookies, callback, next_called, only, query_pairs, with_cookies};
use crate::gateway::body::AnswerBody;
use crate::gateway::caller;
use crate::gateway::error::Error;
use crate::gateway::{Begins, Done, Fault, FrontEnd, Handed, Shared, Start, Started, cookies, origin, respond};
use crate::http::safe_redirect::SafeRedirect;
use crate::login::{Beginning, LoggedIn, Refusal, Return, StateShape};
use crate::page::Page;
use crate::rule::{self, Rule};
use crate::session::Proof;
use crate::site::Origin;
use crate::telemetry::line::Line;

/// `GET /oauth/qq/authorization/?next=/path`
pub(in crate::gateway) fn start(shared: &Shared, call: Call<'_>) -> Result<Response<AnswerBody>, Error> {
    let (front_end, start) = part(call, |front_end| front_end.start.as_ref())?;
    Ok(begin(shared, call, start).unwrap_or_else(|error| told(front_end, &error, call)))
}

/// `GET /oauth/qq/user/?code=…`. `present`: the session this browser has already.
pub(in crate::gateway) async fn hand_in(
    shared: &Shared,
    call: Call<'_>,
    present: Option<&Proof>,
    line: &mut Option<Box<Line>>,
) -> Result<Response<AnswerBody>, Error> {
    let (front_end, handed) = part(call, |front_end| front_end.handed.as_ref())?;
    if let Err(error) = may_hand_in(call, handed) {
        return Ok(told(front_end, &error, call));
    }
    let returning =
        callback::finish(shared, call, shared.logins.first(), (&query(call, handed), by(handed)), line).await;
    let answered = match returning.outcome {
        Ok(logged_in) => finish(shared, call, handed, &logged_in, present).await,
        Err(refusal) => Err(refusal.into()),
    };
    let mut response = answered.unwrap_or_else(|error| told(front_end, &error, call));
    add_cookies(response.headers_mut(), returning.cookies);
    Ok(response)
}

/// What would be answered. Nothing is begun.
pub(super) fn foretell_start(shared: &Shared, call: Call<'_>) -> Result<String, Error> {
    let (_, start) = part(call, |front_end| front_end.start.as_ref())?;
    let next = beginning(shared, call, start)?;
    Ok(match (goes_there(call), start.begins) {
        (true, _) => format!("302: to QQ's page, and to {} with the code after it", page(call, start)),
        (false, Begins::WithCall) => format!("200: JSON with the address of QQ's page, and on to {}", next.as_str()),
        (false, Begins::WithNavigation) => format!("200: JSON with {}", address(call, start, &next)),
    })
}

/// What would be answered, as far as it is known before QQ is asked. Nothing is spent.
pub(super) fn foretell_return(shared: &Shared, call: Call<'_>) -> Result<String, Error> {
    let (_, handed) = part(call, |front_end| front_end.handed.as_ref())?;
    may_hand_in(call, handed)?;
    let wire = &call.here.site.wire;
    shared.logins.first().foretell(call.headers, &query(call, handed), wire, by(handed))?;
    Ok("as QQ says of the code, which only the real call asks it; in the end 200: JSON with a token".to_owned())
}

/// A part of the site's front end. Both paths are found by it.
fn part<'s, T>(call: Call<'s>, of: impl FnOnce(&'s FrontEnd) -> Option<&'s T>) -> Result<(&'s FrontEnd, &'s T), Error> {
    let front_end = call.here.site.front_end.as_deref().ok_or(Error::NotFound)?;
    Ok((front_end, of(front_end).ok_or(Error::NotFound)?))
}

fn begin(shared: &Shared, call: Call<'_>, start: &Start) -> Result<Response<AnswerBody>, Error> {
    let next = beginning(shared, call, start)?;
    let goes_there = goes_there(call);
    if !goes_there && start.begins == Begins::WithNavigation {
        return Ok(said(start, &address(call, start, &next)));
    }
    shared.logins.first().admit(call.here.caller.client.address(), call.here.now)?;
    let display = caller::display(call.headers);
    let beginning = Beginning { redirect_uri: page(call, start), next, state: start.state, display };
    let started = shared.logins.first().start(call.headers, &call.here.site.wire, beginning, call.here.now)?;
    let response = match HeaderValue::from_str(started.login_url.as_str()) {
        Ok(location) if goes_there => respond::redirect(StatusCode::FOUND, location),
        Ok(_) | Err(_) => said(start, started.login_url.as_str()),
    };
    Ok(with_cookies(response, started.cookies))
}

/// Where a login ends that may begin.
fn beginning(shared: &Shared, call: Call<'_>, start: &Start) -> Result<SafeRedirect, Error> {
    only(call.method, &[Method::GET], "GET")?;
    if caller::is_prefetch(call.headers) {
        return Err(Error::Prefetch);
    }
    // Without a state whoever has a login begin can end it too: only pages of ours have one begin.
    if start.state == StateShape::Next && !is_asked_by_us(call) && rule::holds(Rule::AReturnWithoutAStateWasBegunHere) {
        return Err(Error::ForeignOrigin);
    }
    match shared.logins.first().unavailable(call.here.now) {
        Some(wait) => Err(Refusal::ProviderDown(wait).into()),
        None => Ok(next_called(shared, call, &start.next)),
    }
}

/// Whether a page of ours makes the browser ask: by its origin where a script calls, else by where the browser comes from.
fn is_asked_by_us(call: Call<'_>) -> bool {
    let site = &call.here.site.site;
    let is_ours = |origin: &str| site.is_origin(origin) || site.is_cors_origin(origin);
    let cross_site = call.headers.get("sec-fetch-site").is_some_and(|from| from == "cross-site");
    let text = |name| call.headers.get(name).and_then(|value| value.to_str().ok());
    let by_referer = || text(REFERER).and_then(|from| Origin::of(&Url::parse(from).ok()?));
    !cross_site
        && match &call.here.caller.origin {
            Some(origin) => origin.to_str().is_ok_and(is_ours),
            None => by_referer().is_some_and(|origin| is_ours(origin.as_str())),
        }
}

/// Whether the browser itself comes, by the address that a script was told or by a link.
fn goes_there(call: Call<'_>) -> bool {
    call.here.caller.is_navigation(call.method, call.headers)
        || query_pairs(call.uri).iter().any(|(name, _)| name == SENT_ON)
}

/// Where QQ sends the browser.
fn page<'s>(call: Call<'s>, start: &'s Start) -> &'s Url {
    start.redirect_uri.as_ref().unwrap_or(&call.here.site.redirect_uri)
}

/// This endpoint as a page goes to it.
fn address(call: Call<'_>, start: &Start, next: &SafeRedirect) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(&start.next, next.as_str()).append_pair(SENT_ON, "1");
    format!("{}{}?{}", call.here.site.site.origin, start.path, query.finish())
}

fn said(start: &Start, login_url: &str) -> Response<AnswerBody> {
    let value_of = |blank| match blank {
        Started::LoginUrl => Some(Cow::Borrowed(login_url)),
    };
    let Ok(json) = start.json.fill(&value_of, &|_| Ok::<_, Infallible>(()));
    respond::json(&json.unwrap_or_default())
}

/// Whether a code may be handed in by this call at all.
fn may_hand_in(call: Call<'_>, handed: &Handed) -> Result<(), Error> {
    only(call.method, &[Method::GET], "GET")?;
    if caller::is_prefetch(call.headers) {
        return Err(Error::Prefetch);
    }
    // Without a state a link could lead a browser here that somebody else has begun: only a page of ours is believed.
    let is_ours = origin::is_of(call.headers, &call.here.site.site.cors_origins);
    let needs_origin = handed.state == StateShape::Next && rule::holds(Rule::AReturnWithoutAStateComesFromAListedPage);
    if needs_origin && !is_ours { Err(Error::ForeignOrigin) } else { Ok(()) }
}

fn by(handed: &Handed) -> Return {
    match handed.state {
        StateShape::Random => Return::ByState,
        StateShape::Next => Return::OfTheOnly,
    }
}

/// The query with the code under its usual name.
fn query(call: Call<'_>, handed: &Handed) -> Vec<(String, String)> {
    let mut pairs = query_pairs(call.uri);
    if handed.code != "code" {
        pairs.retain(|(name, _)| name != "code");
        for (name, _) in &mut pairs {
            if *name == handed.code {
                "code".clone_into(name);
            }
        }
    }
    pairs
}

async fn finish(
    shared: &Shared,
    call: Call<'_>,
    handed: &Handed,
    logged_in: &LoggedIn,
    present: Option<&Proof>,
) -> Result<Response<AnswerBody>, Error> {
    let (snapshot, site) = (&logged_in.snapshot, &call.here.site.wire.site);
    let token = shared.sessions.api_token(snapshot, site, call.here.now)?;
    let value_of = |blank| match blank {
        Done::Token => Some(Cow::Borrowed(token.expose().as_str())),
        Done::Next => Some(Cow::Borrowed(logged_in.next.as_str())),
        Done::User(field) => snapshot.field(field, site),
    };
    let lacking = |blank| match blank {
        Done::User(field) if field.names_somebody() => {
            Err(Error::UnknownThere { identity: format!("sites[].front_end.callback_json, by {field},") })
        }
        Done::User(_) | Done::Token | Done::Next => Ok(()),
    };
    callback::note(shared, call, logged_in);
    let json = handed.json.fill(&value_of, &lacking)?;
    let mut response = respond::json(&json.unwrap_or_default());
    if handed.with_cookies {
        callback::end_replaced(shared, call, present, logged_in).await?;
        add_cookies(response.headers_mut(), cookies::of_login(shared, snapshot, call.here)?);
    }
    Ok(response)
}

/// What went wrong, in the front end's words.
fn told(front_end: &FrontEnd, error: &Error, call: Call<'_>) -> Response<AnswerBody> {
    let caller = call.here.caller;
    respond::in_words(error, call.here, |page: &Page<'_>| {
        let id = caller.id.to_string();
        let message = page.errmsg(caller.language());
        let value_of = |blank| match blank {
            Fault::Message => Some(Cow::Borrowed(&*message)),
            Fault::Code => Some(Cow::Borrowed(page.code())),
            Fault::RequestId => Some(Cow::Borrowed(id.as_str())),
        };
        let Ok(json) = front_end.error.fill(&value_of, &|_| Ok::<_, Infallible>(()));
        let mut response = respond::json(&json.unwrap_or(Value::Null));
        *response.status_mut() = match page.status() {
            // These tell programs what to do, whatever the page shows.
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::METHOD_NOT_ALLOWED) => status,
            status if status.is_server_error() => front_end.failed,
            _ => front_end.refused,
        };
        if let Some(seconds) = page.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    })
}
