//! How an upstream learns who is logged in: a JWT, further headers, and readable cookies for the shop's own scripts.

mod ready;
mod snapshot;
pub mod template;

use std::time::Duration;

use http::HeaderName;

pub use self::ready::{Identities, Identity, Ready};
pub use self::snapshot::Snapshot;
use self::template::Template;
use crate::secret::Secret;
pub use crate::token::signing_key::Algorithm;

/// One `[identity.<name>]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in the configuration.
    pub name: String,
    /// The header that carries the JWT.
    pub header: HeaderName,
    /// What stands before the JWT, such as `Bearer`; empty for nothing.
    pub scheme: String,
    /// How it is signed.
    pub signing: Signing,
    /// How long one JWT is good.
    pub lifetime: Duration,
    /// `iss`; `None`: the site's origin.
    pub issuer: Option<String>,
    /// `aud`; `None`: no such claim.
    pub audience: Option<String>,
    /// Further claims, in the configuration's order.
    pub claims: Vec<(String, ClaimValue)>,
    /// Further headers.
    pub headers: Vec<(HeaderName, Template)>,
    /// Readable cookies, set at login and removed at logout.
    pub cookies: Vec<(String, Template)>,
    /// With a session, pass a client's own `Authorization` too. Only where `header` is another one.
    pub forward_authorization: bool,
}

/// How an upstream's JWT is signed.
#[derive(Debug, Clone)]
pub enum Signing {
    /// By a key of ours whose public half stands in JWKS.
    Published(Algorithm),
    /// HS256, with a secret that the backend holds too; at least 32 bytes.
    Shared(Secret<Vec<u8>>),
}

/// A claim's value.
#[derive(Debug, Clone)]
pub enum ClaimValue {
    /// Text with placeholders.
    Text(Template),
    /// Anything without: true, false, a number.
    Fixed(serde_json::Value),
}
