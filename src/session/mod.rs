//! Who is logged in: sealed cookies, API tokens, and what has been revoked.

mod cookies;
mod load;
mod lookups;
mod proof;
mod reasons;
mod refresh;
mod revocations;
mod sessions;
mod tenure;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

pub use self::cookies::CookieJar;
pub use self::load::{CoreSessions, Presented, Refused, Wire};
pub use self::lookups::{LookupCounts, Lookups};
pub use self::proof::{Bearer, Proof};
pub use self::revocations::Revocations;
pub use self::sessions::{Error, Parts, Sessions};
pub use self::tenure::Over;
pub use self::watch::{Standing, Watch};

/// How long a session lasts. Made only by [`Settings::new`], so `idle <= lifetime` holds everywhere.
#[derive(Debug, Clone)]
pub struct Settings {
    idle: Duration,
    lifetime: Duration,
    api_token_lifetime: Duration,
    cookie: String,
    cache: usize,
}

/// The idle time is longer than the lifetime, so that sessions would never idle out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("idle is longer than lifetime: sessions would never idle out; lower one of them")]
pub struct IdleBeyondLifetime;

impl Settings {
    /// `cookie` is a cookie name without prefix; `cache` counts sessions for each core.
    pub fn new(
        idle: Duration,
        lifetime: Duration,
        api_token_lifetime: Duration,
        cookie: String,
        cache: usize,
    ) -> Result<Self, IdleBeyondLifetime> {
        if idle > lifetime {
            return Err(IdleBeyondLifetime);
        }
        Ok(Settings { idle, lifetime, api_token_lifetime, cookie, cache })
    }

    /// Signed out after this long without a request.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// Signed out after this long in any case.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// How long an API client's token is good.
    pub fn api_token_lifetime(&self) -> Duration {
        self.api_token_lifetime
    }

    /// The session cookie's name, without prefix.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// How many sessions' proof is remembered, for each core.
    pub fn cache(&self) -> usize {
        self.cache
    }
}
