//! Why a request got no answer from its upstream.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::http::hop_by_hop::AmbiguousFraming;

/// Why a request got no answer from its upstream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client's request cannot be passed on so that everybody reads it alike.
    #[error(transparent)]
    Framing(#[from] AmbiguousFraming),
    /// The client broke off while it was sending its body.
    #[error("the client broke off its request")]
    ClientGone,
    /// The client announced a body and stopped sending it.
    #[error("the client stopped sending the body it had announced")]
    ClientSilent,
    /// No endpoint took a connection.
    #[error("no connection to upstream {upstream} at {endpoint}")]
    Unreachable {
        /// Which upstream.
        upstream: Arc<str>,
        /// The last endpoint that was tried.
        endpoint: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has as many requests as it may have, and more wait than may, or have waited for too long.
    #[error("upstream {upstream} has as many requests as it may have (max_requests), and no room came in time")]
    Full {
        /// Which upstream.
        upstream: Arc<str>,
        /// After which time to come again.
        retry_after: Duration,
    },
    /// No answer within the time that the upstream has.
    #[error("upstream {upstream} at {endpoint} did not answer in time")]
    TooSlow {
        /// Which upstream.
        upstream: Arc<str>,
        /// Which of its endpoints.
        endpoint: String,
    },
    /// The route's own time was over before an endpoint could be asked.
    #[error("the route's time was over before upstream {upstream} could be asked")]
    Late {
        /// Which upstream.
        upstream: Arc<str>,
    },
    /// The connection broke before the answer's head, or the head was nonsense.
    #[error("upstream {upstream} at {endpoint} broke off or answered nonsense")]
    BrokenAnswer {
        /// Which upstream.
        upstream: Arc<str>,
        /// Which of its endpoints.
        endpoint: String,
        /// What hyper made of it.
        #[source]
        source: hyper::Error,
    },
    /// The upstream switched protocols without having been asked, or to another one.
    #[error("the upstream switched to a protocol nobody asked for")]
    UnaskedUpgrade,
    /// The upstream's answer has a length or a transfer encoding that cannot be passed on.
    #[error("the upstream's answer has a transfer encoding other than chunked, or a length that is no number")]
    UnreadableFraming,
    /// The permit names an upstream that is not configured: a fault of ours.
    #[error("there is no such upstream")]
    NoSuchUpstream,
}
