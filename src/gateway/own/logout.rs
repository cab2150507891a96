//! `POST /.menshen/logout` ends every session that the request proves; `GET` asks first, since a link or an image must not
//! log anybody out.

use std::sync::Arc;

use futures_util::future::try_join_all;
use http::{HeaderValue, Method, Request, Response};
use serde_json::json;

use super::{Call, add_cookies, only};
use crate::gateway::body::AnswerBody;
use crate::gateway::caller::{self, Kind};
use crate::gateway::error::Error;
use crate::gateway::origin::NullOrigin;
use crate::gateway::{Here, Shared, caching, cookies, origin, respond};
use crate::page::Page;
use crate::rule::{self, Rule};
use crate::session::{CoreSessions, Proof, Standing};
use crate::telemetry::ALWAYS;

pub(in crate::gateway) async fn answer(
    shared: &Shared,
    call: Call<'_>,
    sessions: &CoreSessions,
) -> Result<Response<AnswerBody>, Error> {
    let proofs = checked(call, sessions)?;
    // What has run out is ended like the rest, but nobody is asked about it.
    let is_over = |proof: &Proof| proof.standing(call.here.now) == Standing::Revoked;
    if asks_first(call.method) {
        let Some(proof) = proofs.iter().find(|proof| !is_over(proof)) else {
            return Ok(logged_out(call, cookies::removed(shared, call.here.site)));
        };
        // There is nobody to ask, and an answer that says OK would be taken for the deed.
        if !call.here.caller.wants_page() {
            return Err(Error::MethodNotAllowed { allow: "POST".into() });
        }
        let page = Page::ConfirmLogout { action: call.uri.path(), display_name: &proof.snapshot.display_name };
        return Ok(respond::show(&page, call.here.caller, None));
    }
    end(shared, call.here, &proofs, "our page").await?;
    Ok(logged_out(call, cookies::removed(shared, call.here.site)))
}

/// Whether this method ends nothing, and a page asks whether anything is to end.
fn asks_first(method: &Method) -> bool {
    method != Method::POST && rule::holds(Rule::ALogoutIsAPost)
}

/// What would be answered. Nothing is ended.
pub(super) async fn foretell(shared: &Shared, call: Call<'_>, sessions: &CoreSessions) -> Result<String, Error> {
    if asks_first(call.method) {
        let status = answer(shared, call, sessions).await?.status();
        return Ok(format!("{}: a page that ends nothing by itself", status.as_u16()));
    }
    let proofs = checked(call, sessions)?;
    let sessions: Vec<String> = proofs.iter().map(|proof| proof.snapshot.session.to_string()).collect();
    Ok(match sessions.as_slice() {
        [] => "200: there is no session to end".to_owned(),
        [one] => format!("200: session {one} would end"),
        several => format!("200: sessions {} would end", several.join(", ")),
    })
}

/// The sessions that a request proves, if it may end them.
fn checked(call: Call<'_>, sessions: &CoreSessions) -> Result<Vec<Arc<Proof>>, Error> {
    only(call.method, &[Method::GET, Method::HEAD, Method::POST], "GET, HEAD, POST")?;
    // Before anything else: another site's form brings no cookie, and must not have ours removed.
    let is_own = origin::is_own(call.headers, &call.here.site.site, NullOrigin::IsForeign);
    if call.method == Method::POST && !is_own && rule::holds(Rule::NoOtherSiteLogsOut) {
        return Err(Error::ForeignOrigin);
    }
    Ok(sessions.load_all(call.headers, &call.here.site.wire, call.here.now)?)
}

fn logged_out(call: Call<'_>, cookies: Vec<HeaderValue>) -> Response<AnswerBody> {
    let page = Page::LoggedOut { login: &call.here.site.login_page };
    let mut response = if call.here.caller.wants_page() {
        respond::show(&page, call.here.caller, None)
    } else {
        respond::json(&json!({ "code": "0", "errmsg": "OK" }))
    };
    add_cookies(response.headers_mut(), cookies);
    response
}

/// Whether a request for the shop's own logout link is the user's wish: a preflight acts for nobody, a browser that fetches
/// ahead and whoever looks at the head alone were not asked to, and neither a picture's address nor another site's form is.
pub(in crate::gateway) fn is_asked<B>(request: &Request<B>, null: NullOrigin, here: Here<'_>) -> bool {
    here.caller.kind != Kind::Preflight
        && request.method() != Method::HEAD
        && !caller::is_prefetch(request.headers())
        && !caller::is_embedded(request.headers())
        && (!here.caller.is_unsafe || origin::is_own(request.headers(), &here.site.site, null))
}

/// The shop's own logout link is followed: these sessions are over before the request goes on, since the shop may do its
/// part whether its answer comes back or not. The future writes that down, and takes the cookies away with whatever
/// `answered` comes to, be it an error page of ours.
pub(in crate::gateway) fn follow<'r>(
    shared: &'r Shared,
    here: Here<'r>,
    proofs: &[Arc<Proof>],
    answered: impl Future<Output = Result<Response<AnswerBody>, Error>> + 'r,
) -> impl Future<Output = Result<Response<AnswerBody>, Error>> + 'r {
    let ended = end(shared, here, proofs, "the shop's own link");
    async move {
        let failed = |error: Error| respond::to(&error, here.caller, Some(here.site), &[]);
        let mut response = answered.await.unwrap_or_else(failed);
        ended.await?;
        // Whoever kept it would log others out.
        caching::keep_private(response.headers_mut());
        add_cookies(response.headers_mut(), cookies::removed(shared, here.site));
        Ok(response)
    }
}

/// Ends sessions: here by the time this returns, and for good once the future is ready.
fn end(
    shared: &Shared,
    here: Here<'_>,
    proofs: &[Arc<Proof>],
    by: &'static str,
) -> impl Future<Output = Result<(), Error>> + use<> {
    let end = |proof: &Arc<Proof>| {
        let snapshot = &proof.snapshot;
        tracing::info!(
            target: ALWAYS,
            request_id = %here.caller.id, user = %snapshot.user, session = %snapshot.session, by, "logged out"
        );
        shared.trail.logged_out(snapshot.user, snapshot.session, here.caller.id.to_string(), here.now);
        shared.sessions.end(snapshot, here.now)
    };
    let ended: Vec<_> = proofs.iter().map(end).collect();
    async move { Ok(try_join_all(ended).await.map(drop)?) }
}
