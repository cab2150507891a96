//! A request once more: which may be sent twice, and after what.

use std::error::Error as _;
use std::time::Duration;

use http::Request;
use http::header::HeaderMap;

use super::body::RequestBody;
use crate::rule::{self, Rule};

/// A request once more: without a body, which can be sent only once.
pub(super) struct Spare {
    pub(super) request: Request<RequestBody>,
    /// Whether it may be sent twice, whatever came of it the first time.
    pub(super) is_harmless: bool,
}

impl Spare {
    /// What may have to be sent again. `is_shared`: whether the other end can say that it has not looked at it.
    pub(super) fn of(request: &Request<RequestBody>, is_shared: bool) -> Option<Self> {
        let is_harmless = request.method().is_idempotent() || !rule::holds(Rule::NothingIsDoneTwice);
        if !(is_harmless || is_shared) || !matches!(request.body(), RequestBody::Empty) {
            return None;
        }
        let mut again = Request::new(RequestBody::Empty);
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        Some(Spare { request: again, is_harmless })
    }
}

/// Whether it was the connection that broke: neither nonsense nor a stream that was reset, which are an answer of sorts.
pub(super) fn has_lost_its_connection(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    !error.is_parse() && !cause.is_some_and(h2::Error::is_reset)
}

/// Whether the other end says that it has not looked at the request (RFC 9113, 6.8 and 8.7).
pub(super) fn was_refused(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_remote() && (cause.is_go_away() || cause.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// How long a connection may be kept: our setting, or less where the upstream says (`Keep-Alive: timeout=5`) that it
/// will close earlier; a second before that, so as not to meet it.
pub(super) fn kept_by_upstream(headers: &HeaderMap, ours: Duration) -> Duration {
    let Some(said) = headers.get("keep-alive").and_then(|value| value.to_str().ok()) else { return ours };
    let seconds = said.split(',').find_map(|item| item.trim().strip_prefix("timeout=")?.parse::<u64>().ok());
    match seconds {
        Some(seconds) => ours.min(Duration::from_secs(seconds.saturating_sub(1))),
        None => ours,
    }
}
