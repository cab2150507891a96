//! JWTs (RFC 7519): issued to upstreams and to API clients, verified when they come back.
//!
//! The token an API client holds is not the token an upstream gets: another key, another audience, never HS256. So an
//! upstream's token opens nothing here, whoever it leaks to.

pub mod api;
pub mod issuer_claim;
pub mod jwks;
pub mod schedule;
pub mod signing_key;
pub mod upstream;

/// What is published about the keys.
#[derive(Debug, Clone, Copy)]
pub struct DiscoverySettings {
    /// Serve `/.well-known/jwks.json`.
    pub jwks: bool,
    /// Serve `/.well-known/openid-configuration`.
    pub openid_configuration: bool,
}

/// A token could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// The signing library refused.
    #[error("a token could not be signed: {0}")]
    Signing(String),
    /// No random bytes.
    #[error(transparent)]
    NoRandomness(#[from] crate::random::NoRandomness),
    /// No key of the wanted algorithm is loaded.
    #[error("there is no signing key for {0}")]
    NoKey(&'static str),
}

impl From<jsonwebtoken::errors::Error> for TokenError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        TokenError::Signing(error.to_string())
    }
}
