//! Why a request gets an answer of ours instead of the upstream's, sorted by whose fault it is.

use std::borrow::Cow;

use http::HeaderValue;

use super::forward_auth::Unsaid;
use super::unwind::Panicked;
use crate::http::request_path::TooAmbiguous;
use crate::login::{AttemptError, Refusal};
use crate::random::NoRandomness;
use crate::session;
use crate::session::Refused;
use crate::upstream;

/// Everything that can stand between a request and its answer. `respond` turns each into a status, in one table.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The client: `Host` is missing, doubled, or not that of the absolute target.
    #[error("the request does not name one host")]
    NoHost,
    /// The client: it asks about others' requests and is none of those who may.
    #[error("it asks about a request, and is not listed in forward_auth.callers")]
    NotACaller,
    /// The proxy that asks about a request, or whoever set it up.
    #[error("a question about no request, or about two")]
    Unsaid(#[source] Unsaid),
    /// The client: a field whose name the application could take for another's.
    #[error("a field has a name that the application could take for one by which it is told who somebody is")]
    Disguised,
    /// The client, or whoever configured the sites: no site of ours has this name.
    #[error("no site is called {host:?}")]
    UnknownHost {
        /// As sent.
        host: String,
    },
    /// The client: its connection was not asked for a certificate as the site asks.
    #[error("the site asks for certificates in another way than its connection was asked")]
    Misdirected,
    /// The client: a target of a form that its method does not have.
    #[error("the request target has a form that its method does not have")]
    TargetForm,
    /// The client: what the application would get of this path is no path, or not certain.
    #[error("the path can be read in different ways, or comes to no path, where it would be rewritten")]
    NotRewritable,
    /// The client: a target longer than the limit.
    #[error("the request target is too long")]
    TargetTooLong,
    /// The client: a path nobody could read with certainty.
    #[error(transparent)]
    Ambiguous(#[from] TooAmbiguous),
    /// The client: neither an endpoint of ours nor a route takes the method here.
    #[error("the target takes {allow} alone")]
    MethodNotAllowed {
        /// For `Allow`.
        allow: Cow<'static, str>,
    },
    /// Nobody: no route and no endpoint is there.
    #[error("there is nothing at this path")]
    NotFound,
    /// The client: it must log in.
    #[error("a session is needed")]
    LoginNeeded {
        /// Cookies of a session that is over, to be removed.
        removals: Vec<HeaderValue>,
    },
    /// The client: its token claims to be ours and does not hold.
    #[error(transparent)]
    TokenRefused(#[from] Refused),
    /// The client: another site makes the browser ask for this.
    #[error("the request comes from another origin")]
    ForeignOrigin,
    /// Nobody: of this user the application cannot be told.
    #[error("the user has not what {identity} tells the application by: import or bind an id or a username")]
    UnknownThere {
        /// The identity's name in the configuration.
        identity: String,
    },
    /// A browser that fetches ahead must not start or end a login.
    #[error("a prefetch must not start or end a login")]
    Prefetch,
    /// A login that cannot begin now, or a callback that did not end in one.
    #[error(transparent)]
    Login(#[from] Refusal),
    /// An upstream.
    #[error(transparent)]
    Upstream(#[from] upstream::Error),
    /// Nobody: as many are under way as the operator allows.
    #[error("limits.requests are under way")]
    Crowded,
    /// This proxy.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// This proxy.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// This proxy.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// This proxy.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}
