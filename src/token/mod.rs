//! JWTs: issued to upstreams and to API clients, verified when they come back.

/// What is published about the keys.
#[derive(Debug, Clone, Copy)]
pub struct DiscoverySettings {
    /// Serve `/.well-known/jwks.json`.
    pub jwks: bool,
    /// Serve `/.well-known/openid-configuration`.
    pub openid_configuration: bool,
}
