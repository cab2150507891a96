//! `POST /.menshen/logout` ends the session; `GET` asks first, since a link or an image must not log anybody out.

use http::{HeaderValue, Method, Response};
use serde_json::json;

use super::{Call, add_cookies, only};
use crate::gateway::body::AnswerBody;
use crate::gateway::error::Error;
use crate::gateway::{Here, Shared, origin, respond};
use crate::page::Page;
use crate::session::Proof;
use crate::telemetry::ALWAYS;

pub(in crate::gateway) async fn answer(
    shared: &Shared,
    call: Call<'_>,
    proof: Option<&Proof>,
) -> Result<Response<AnswerBody>, Error> {
    only(call.method, &[Method::GET, Method::POST], "GET, POST")?;
    // Before anything else: another site's form brings no cookie, and must not have ours removed.
    if call.method == Method::POST && !origin::is_own(call.headers, &call.here.site.site) {
        return Err(Error::ForeignOrigin);
    }
    let Some(proof) = proof else {
        return Ok(logged_out(call, cookies_removed(shared, call.here)));
    };
    if call.method == Method::GET {
        // There is nobody to ask, and an answer that says OK would be taken for the deed.
        if !call.here.caller.wants_page() {
            return Err(Error::MethodNotAllowed { allow: "POST".into() });
        }
        let page = Page::ConfirmLogout { action: call.uri.path(), display_name: &proof.snapshot.display_name };
        return Ok(respond::show(&page, call.here.caller, None));
    }
    end(shared, call.here, proof, "our page").await?;
    Ok(logged_out(call, cookies_removed(shared, call.here)))
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

/// Removals of the session cookie and its companions.
fn cookies_removed(shared: &Shared, here: Here<'_>) -> Vec<HeaderValue> {
    let jar = &here.site.wire.jar;
    let companions = shared.identities.iter().flat_map(|identity| &identity.settings.cookies);
    let companions = companions.filter_map(|(name, _)| jar.remove_companion(name));
    jar.remove(jar.session()).into_iter().chain(companions).collect()
}

/// The shop's own logout link was followed: its answer ends our session too.
pub(in crate::gateway) async fn follow(
    shared: &Shared,
    here: Here<'_>,
    proof: &Proof,
    response: &mut Response<AnswerBody>,
) -> Result<(), Error> {
    end(shared, here, proof, "the shop's own link").await?;
    add_cookies(response.headers_mut(), cookies_removed(shared, here));
    Ok(())
}

async fn end(shared: &Shared, here: Here<'_>, proof: &Proof, by: &'static str) -> Result<(), Error> {
    let snapshot = &proof.snapshot;
    shared.sessions.end(snapshot, here.now).await?;
    tracing::info!(
        target: ALWAYS,
        request_id = %here.caller.id, user = %snapshot.user, session = %snapshot.session, by, "logged out"
    );
    Ok(())
}
