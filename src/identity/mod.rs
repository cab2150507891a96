//! How an upstream learns who is logged in: a JWT, further headers, and readable cookies for the shop's own scripts.

mod companion;
mod field;
mod ready;
mod snapshot;

use std::time::Duration;

use http::HeaderName;

pub use self::companion::{Companion, Content};
pub use self::field::Field;
pub use self::ready::{Identities, Identity, Ready};
pub use self::snapshot::Snapshot;
use crate::secret::Secret;
use crate::template::{JsonTemplate, Template};
pub use crate::token::signing_key::Algorithm;

/// One `[identity.<name>]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in the configuration.
    pub name: String,
    /// The header that carries the JWT; `None`: no JWT is made.
    pub header: Option<HeaderName>,
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
    pub claims: Vec<(String, JsonTemplate<Field>)>,
    /// Further headers.
    pub headers: Vec<(HeaderName, Template<Field>)>,
    /// Readable cookies, set at login and removed at logout.
    pub cookies: Vec<Companion>,
    /// What becomes of requests of a user who has not what the claims and headers name.
    pub incomplete: Incomplete,
    /// With a session, pass a client's own `Authorization` too. Only where `header` is another one.
    pub forward_authorization: bool,
}

/// What becomes of requests of a user of whom the application cannot be told: without an id or a name there, as far as
/// these are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incomplete {
    /// They are forwarded like a stranger's, where strangers may come.
    Anonymous,
    /// They are refused.
    Refused,
}

/// How an upstream's JWT is signed.
#[derive(Debug, Clone)]
pub enum Signing {
    /// By a key of ours whose public half stands in JWKS.
    Published(Algorithm),
    /// HS256, with a secret that the backend holds too; at least 32 bytes.
    Shared(Secret<Vec<u8>>),
}
