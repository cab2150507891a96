//! What a route is told by the configuration.

use std::sync::Arc;

use http::Method;

use crate::gateway::{Handling, NullOrigin};
use crate::http::path_pattern::PathPattern;
use crate::site::Origin;

/// One `[[routes]]`.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    /// The site's host this route is for, as in `Host`; `None`: every site.
    pub host: Option<String>,
    /// Which paths.
    pub path: PathPattern,
    /// Which methods; empty: all.
    pub methods: Vec<Method>,
    /// Who may pass.
    pub access: Access,
    /// What becomes of the client's own `Authorization`.
    pub authorization: Authorization,
    /// Index into the configured upstreams.
    pub upstream: usize,
    /// The first of the configured upstreams that leads to the same application: two that share an endpoint do.
    pub application: usize,
    /// Index into the configured identities.
    pub identity: usize,
    /// Whether the backend takes `/Admin/` for `/admin/`.
    pub ignore_case: bool,
    /// What `Origin: null` says of who asked.
    pub null_origin: NullOrigin,
    /// Other origins whose pages may open WebSockets as whoever is logged in.
    pub websocket_origins: Vec<Origin>,
    /// What it does beside letting requests pass.
    pub handling: Arc<Handling>,
}

/// Who may pass a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Everybody, never with identity.
    Public,
    /// Everybody, with identity where there is a session.
    Optional,
    /// Only with a session.
    Required,
}

/// What becomes of the `Authorization` that a client sends, where we do not say who it is ourselves. The last is the
/// strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authorization {
    /// It goes on, whatever it is.
    Passed,
    /// It goes on, and who comes without one and without a session does not.
    Required,
    /// It stays here.
    Stripped,
}

impl RouteSettings {
    /// Whether a client needs an `Authorization` of its own where it has no session.
    pub fn asks_for_credentials(&self) -> bool {
        self.authorization == Authorization::Required
    }

    /// Of two routes that fit, the greater wins: one for a host, then the more exact path, then one for some methods.
    pub fn specificity(&self) -> impl Ord + use<> {
        (self.host.is_some(), self.path.specificity(), !self.methods.is_empty())
    }
}
