//! `GET /.menshen/userinfo`: the session as JSON, for front ends.

use http::{Method, Response};
use serde_json::json;

use super::{Call, login_needed, only};
use crate::gateway::body::AnswerBody;
use crate::gateway::error::Error;
use crate::gateway::{Shared, respond};
use crate::session::Presented;

pub(in crate::gateway) fn answer(
    shared: &Shared,
    call: Call<'_>,
    presented: &Presented,
) -> Result<Response<AnswerBody>, Error> {
    only(call.method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    let proof = presented.session().ok_or_else(|| login_needed(shared, presented, call.here.site))?;
    let snapshot = &proof.snapshot;
    Ok(respond::json(&json!({
        "code": "0",
        "errmsg": "OK",
        "user_id": snapshot.user.to_string(),
        "username": snapshot.handle(),
        "upstream_id": snapshot.upstream_id,
        "display_name": snapshot.display_name,
        "avatar": snapshot.avatar,
        "provider": snapshot.provider,
        "logged_in_at": snapshot.began.as_secs(),
        "expires_at": proof.expires.as_secs(),
    })))
}
