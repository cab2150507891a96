//! `/.well-known/acme-challenge/…`, while an authority is to look there.

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Request, Response, StatusCode};

use crate::gateway::Shared;
use crate::gateway::body::AnswerBody;
use crate::gateway::respond;
use crate::telemetry::line::{Line, Route};

/// The answer to an open challenge, where the request is for one.
pub(in crate::gateway) fn answered<B>(
    shared: &Shared,
    request: &Request<B>,
    line: &mut Option<Box<Line>>,
) -> Option<Response<AnswerBody>> {
    let answer = shared.acme_tokens.answer(request.uri().path())?;
    if request.method() != Method::GET {
        return None;
    }
    if let Some(line) = line {
        line.route = Some(Route::Own("AcmeChallenge"));
        line.decision = "own";
    }
    let plain = HeaderValue::from_static("application/octet-stream");
    Some(respond::plain(StatusCode::OK, plain, Bytes::from(answer)))
}
