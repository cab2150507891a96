//! What happens to a request.

use http::Method;

use crate::http::path_pattern::PathPattern;

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
    /// Index into the configured upstreams.
    pub upstream: usize,
    /// Index into the configured identities.
    pub identity: usize,
    /// Whether the backend takes `/Admin/` for `/admin/`.
    pub ignore_case: bool,
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
