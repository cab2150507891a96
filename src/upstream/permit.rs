//! The proof that a request may go upstream.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

/// Header fields that tell an upstream who is logged in, ready to be added.
pub type IdentityHeaders = Arc<[(HeaderName, HeaderValue)]>;

/// A request may go to an upstream, with or without an identity. Nothing is forwarded without one, and only
/// `gateway::policy` makes them (`tests/architecture.rs` keeps that true).
#[derive(Debug, Clone)]
pub struct Permit {
    upstream: usize,
    identity: Option<IdentityHeaders>,
}

impl Permit {
    /// For `gateway::policy` alone. `upstream` is an index into the configured upstreams.
    pub(crate) fn grant(upstream: usize, identity: Option<IdentityHeaders>) -> Self {
        Permit { upstream, identity }
    }

    /// Where it may go.
    pub(super) fn upstream(&self) -> usize {
        self.upstream
    }

    /// As whom.
    pub(super) fn identity(&self) -> Option<&IdentityHeaders> {
        self.identity.as_ref()
    }
}
