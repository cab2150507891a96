//! What a provider says of itself (OpenID Connect Discovery, 3 and 4).

use serde::Deserialize;
use url::Url;

/// Its document, as far as logins need it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) jwks_uri: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    /// Whether every return names the issuer (RFC 9207, 3).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Where it is, for an issuer.
    pub(super) fn address(issuer: &str) -> Option<Url> {
        Url::parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))).ok()
    }

    /// Whether it is that issuer's, letter by letter (Discovery, 4.3), and leads nowhere where secrets could be read that
    /// are safe on the way to the issuer.
    pub(super) fn check(self, issuer: &str) -> Result<Self, &'static str> {
        if self.issuer != issuer {
            return Err("it is another issuer's");
        }
        let is_safe = |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && issuer.starts_with("http:"));
        let needed = [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri];
        let are_safe = needed.into_iter().chain(&self.userinfo_endpoint).all(is_safe);
        if are_safe { Ok(self) } else { Err("an endpoint of it is no https address") }
    }
}
