//! Route, session and caller → decision. Pure, and the only maker of [`Permit`].

use std::sync::Arc;

use super::caller::{Caller, Kind};
use super::route::Matched;
use super::{Access, Authorization};
use crate::identity::Ready;
use crate::rule::{self, Rule};
use crate::session::{Bearer, Proof};
use crate::upstream::Permit;

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// It goes upstream.
    Allow(Clearance),
    /// A browser is sent to log in, and comes back afterwards.
    Login,
    /// A script or a client is told that it must log in.
    Unauthorized,
    /// Another site made the browser ask: its cookie is no consent.
    ForeignOrigin,
}

/// The right to a [`Permit`]: whether it is with identity is decided, the header fields are still to be fetched.
#[derive(Debug)]
pub(super) struct Clearance {
    upstream: usize,
    identity: Option<usize>,
}

impl Clearance {
    /// Which identity's header fields are to be fetched, if any.
    pub(super) fn identity(&self) -> Option<usize> {
        self.identity
    }

    /// Where it would go, by its place in the list of upstreams.
    pub(super) fn upstream(&self) -> usize {
        self.upstream
    }

    /// The permit, with the fields that were fetched.
    pub(super) fn permit(self, fields: Option<&Arc<Ready>>) -> Permit {
        Permit::grant(self.upstream, fields.and_then(|ready| ready.headers.clone()))
    }
}

/// Decides. A public route never sees an identity; a required one never sees a stranger. `is_own`: whether this site or
/// the user asked; `is_navigation`: whether a browser shows the answer as a page; `has_credentials`: whether there is an
/// `Authorization`. All are found out only if it matters.
pub(super) fn decide(
    matched: Matched<'_>,
    proof: Option<&Proof>,
    caller: &Caller,
    is_own: impl Fn() -> bool,
    is_navigation: impl Fn() -> bool,
    has_credentials: impl Fn() -> bool,
) -> Decision {
    let route = matched.route;
    let allow = |identity: Option<usize>| {
        let is_nobody = matched.authorization == Authorization::Required
            && identity.is_none()
            && caller.kind != Kind::Preflight
            && !has_credentials();
        match is_nobody && rule::holds(Rule::RequiredCredentialsAreThere) {
            true => Decision::Unauthorized,
            false => Decision::Allow(Clearance { upstream: route.upstream, identity }),
        }
    };
    match (matched.access, proof, caller.kind) {
        // It carries no credentials and wants none: the answer is the backend's.
        (_, _, Kind::Preflight) | (Access::Optional, None, _) => allow(None),
        (Access::Public, _, _) => allow(Some(route.identity).filter(|_| !rule::holds(Rule::PublicRoutesSeeNobody))),
        // A backend takes a request with our token for consent, and the cookie it came by was sent unasked.
        (Access::Optional | Access::Required, Some(proof), _)
            if caller.is_unsafe
                && proof.bearer == Bearer::Cookie
                && !is_own()
                && rule::holds(Rule::ACookieIsNoConsent) =>
        {
            Decision::ForeignOrigin
        }
        // Guarded for the sake of another reading of its path: the upstream of a public route learns nobody's identity.
        (Access::Optional | Access::Required, Some(_), _)
            if route.access == Access::Public && rule::holds(Rule::AnotherReadingBringsNoIdentity) =>
        {
            allow(None)
        }
        (Access::Optional | Access::Required, Some(_), _) => allow(Some(route.identity)),
        (Access::Required, None, _) if !rule::holds(Rule::RequiredNeedsASession) => allow(None),
        (Access::Required, None, Kind::Ordinary) if is_navigation() || !rule::holds(Rule::OnlyPagesAreSentToLogIn) => {
            Decision::Login
        }
        (Access::Required, None, Kind::Ordinary | Kind::Upgrade) => Decision::Unauthorized,
    }
}
