//! `GET /oauth_callback/?code=…&state=…`: ends a login.

use std::sync::Arc;

use http::{Method, Response, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use super::{Call, Way, add_cookies, only, query_pairs};
use crate::gateway::body::AnswerBody;
use crate::gateway::caller;
use crate::gateway::error::Error;
use crate::gateway::way_on::WayOn;
use crate::gateway::{Shared, cookies, respond};
use crate::http::safe_redirect::SafeRedirect;
use crate::login::{LoggedIn, Login, Refusal, Return, Returning};
use crate::rule::{self, Rule};
use crate::session::Proof;
use crate::telemetry::ALWAYS;
use crate::telemetry::line::Line;

/// `present`: the session this browser has already.
pub(super) async fn answer(
    shared: &Shared,
    call: Call<'_>,
    way: Way<'_>,
    present: Option<&Proof>,
    line: &mut Option<Box<Line>>,
) -> Result<Response<AnswerBody>, Error> {
    // HEAD, a prefetch or a scanner must not spend a code.
    only(call.method, &[Method::GET], "GET")?;
    if caller::is_prefetch(call.headers) {
        return Err(Error::Prefetch);
    }
    // What a return has to say is known of a provider that was asked.
    way.login.prepare().await?;
    let returning = finish(shared, call, way.login, (&query_pairs(call.uri), Return::ByState), line).await;
    let mut response = match returning.outcome {
        Ok(logged_in) => {
            let response = finished(shared, call, &logged_in)?;
            end_replaced(shared, call, present, &logged_in).await?;
            response
        }
        // The callback was loaded again, or went back to: the login it belongs to has ended well.
        Err(Refusal::Used | Refusal::NoAttempt) if present.is_some() => {
            let next = returning.next.unwrap_or_else(SafeRedirect::home);
            respond::redirect(StatusCode::SEE_OTHER, next.location())
        }
        Err(refusal) => {
            let way_on = WayOn::after(returning.next.as_ref(), shared, call, present.is_some());
            respond::refused(&refusal.into(), call.here, &way_on)
        }
    };
    add_cookies(response.headers_mut(), returning.cookies);
    Ok(response)
}

/// Ends a login, and tells of it whoever is told of logins.
pub(super) async fn finish(
    shared: &Shared,
    call: Call<'_>,
    login: &Arc<Login>,
    (query, by): (&[(String, String)], Return),
    line: &mut Option<Box<Line>>,
) -> Returning {
    let from = call.here.caller.client.address();
    let began = Instant::now();
    let returning = login.finish(from, call.headers, query, &call.here.site.wire, by).await;
    if returning.outcome.as_ref().map_or_else(Refusal::has_asked, |_| true) {
        shared.metrics.exchange(began.elapsed());
    }
    match &returning.outcome {
        Ok(logged_in) => {
            shared.metrics.login("finished", "");
            if let Some(line) = line {
                line.user = Some(shared.sessions.logged(&logged_in.snapshot));
            }
        }
        Err(refusal) => {
            shared.metrics.login("refused", refusal.name());
            if let Some(user) = refusal.blocked() {
                shared.trail.login_refused(user, call.here.caller.id.to_string(), call.here.now);
            }
        }
    }
    returning
}

/// What would be answered, as far as it is known before QQ is asked. Nothing is spent.
pub(super) fn foretell(call: Call<'_>, way: Way<'_>, present: Option<&Proof>) -> Result<String, Error> {
    only(call.method, &[Method::GET], "GET")?;
    if caller::is_prefetch(call.headers) {
        return Err(Error::Prefetch);
    }
    match way.login.foretell(call.headers, &query_pairs(call.uri), &call.here.site.wire, Return::ByState) {
        Ok(next) => Ok(format!(
            "as {} says of the code, which only the real callback asks it; in the end 303: to {}",
            way.login.provider().title(),
            next.as_str()
        )),
        Err(Refusal::Used | Refusal::NoAttempt) if present.is_some() => {
            Ok("303: the login that it belongs to has ended well already".to_owned())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// A login as somebody else ends the session it replaces, so that an answer still under way cannot put that one back.
/// The same user's goes on: another tab may be using it at this very moment.
pub(super) async fn end_replaced(
    shared: &Shared,
    call: Call<'_>,
    present: Option<&Proof>,
    logged_in: &LoggedIn,
) -> Result<(), Error> {
    match present {
        Some(old)
            if old.snapshot.user != logged_in.snapshot.user && rule::holds(Rule::ALoginEndsTheSessionItReplaces) =>
        {
            Ok(shared.sessions.end(&old.snapshot, call.here.now).await?)
        }
        Some(_) | None => Ok(()),
    }
}

fn finished(shared: &Shared, call: Call<'_>, logged_in: &LoggedIn) -> Result<Response<AnswerBody>, Error> {
    let (snapshot, site) = (&logged_in.snapshot, &call.here.site.wire.site);
    let mut response = if call.here.caller.asks_for_json() {
        let token = shared.sessions.api_token(snapshot, site, call.here.now)?;
        respond::json(&json!({
            "code": "0",
            "errmsg": "OK",
            "token": token.expose(),
            "user_id": snapshot.user.to_string(),
            "username": snapshot.handle(),
            "next": logged_in.next.as_str(),
        }))
    } else {
        respond::redirect(StatusCode::SEE_OTHER, logged_in.next.location())
    };
    add_cookies(response.headers_mut(), cookies::of_login(shared, snapshot, call.here)?);
    note(shared, call, logged_in);
    Ok(response)
}

/// Writes a login down, once.
pub(super) fn note(shared: &Shared, call: Call<'_>, logged_in: &LoggedIn) {
    let snapshot = &logged_in.snapshot;
    if logged_in.is_news() {
        tracing::info!(
            target: ALWAYS,
            request_id = %call.here.caller.id, user = %snapshot.user, session = %snapshot.session, created = logged_in.created,
            "a login finished"
        );
        let request = call.here.caller.id.to_string();
        shared.trail.logged_in(snapshot.user, snapshot.session, request, logged_in.at);
    }
}
