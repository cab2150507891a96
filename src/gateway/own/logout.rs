//! `POST /.menshen/logout` ends every session that the request proves; `GET` asks first, since a link or an image must not
//! log anybody out.

use std::sync::Arc;

use futures_util::future::try_join_all;
use http::{HeaderValue, Method, Response};
use serde_json::json;

use super::{Call, add_cookies, only};
use crate::gateway::body::AnswerBody;
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
    only(call.method, &[Method::GET, Method::HEAD, Method::POST], "GET, HEAD, POST")?;
    // Before anything else: another site's form brings no cookie, and must not have ours removed.
    let is_own = origin::is_own(call.headers, &call.here.site.site, NullOrigin::IsForeign);
    if call.method == Method::POST && !is_own && rule::holds(Rule::NoOtherSiteLogsOut) {
        return Err(Error::ForeignOrigin);
    }
    let proofs = sessions.load_all(call.headers, &call.here.site.wire, call.here.now)?;
    // What has run out is ended like the rest, but nobody is asked about it.
    let is_over = |proof: &Proof| proof.standing(call.here.now) == Standing::Revoked;
    if call.method != Method::POST && rule::holds(Rule::ALogoutIsAPost) {
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
