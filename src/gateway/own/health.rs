//! `GET /.menshen/health`: whether the process lives. Says nothing of what is inside.

use http::{Method, Response};
use serde_json::json;

use super::only;
use crate::gateway::body::AnswerBody;
use crate::gateway::error::Error;
use crate::gateway::respond;

pub(in crate::gateway) fn answer(method: &Method) -> Result<Response<AnswerBody>, Error> {
    only(method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    Ok(respond::json(&json!({ "status": "ok" })))
}
