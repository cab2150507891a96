//! OpenID Connect: any provider that describes itself in a document and signs who somebody is.
//!
//! | file | owns |
//! | --- | --- |
//! | `metadata` | what the provider says of itself |
//! | `known` | what has been found out, and when it is asked again |
//! | `id_token` | whether a token is the one that was asked for |

mod id_token;
mod known;
mod metadata;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use self::id_token::{Bad, Claimed, Claims, Expected};
use self::known::{Knowledge, Known};
use super::calls::{BuildError, Calls, Way};
use super::oauth::{self, Asking, Client, TokenAuth};
use super::profile::{self, display_name};
use super::{Challenge, Error, Exchange, Identity, IdentityProvider, ProviderId, RefusedBy, Returned};
use crate::rule::{self, Rule};
use crate::secret::Secret;

/// How to reach a provider, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The provider's name in the configuration.
    pub id: ProviderId,
    /// What it is called on its button.
    pub title: String,
    /// Its issuer identifier, letter by letter.
    pub issuer: String,
    /// Our client id.
    pub client_id: String,
    /// Our client secret.
    pub client_secret: Secret<String>,
    /// How we say who we are.
    pub token_auth: TokenAuth,
    /// How its ID tokens are signed.
    pub algorithm: Algorithm,
    /// What is asked for; `openid` is among it.
    pub scope: Vec<String>,
    /// Longest time for a whole exchange.
    pub exchange_timeout: Duration,
    /// How calls go out.
    pub way: Way,
}

/// A provider of OpenID Connect.
pub struct Oidc {
    settings: Settings,
    calls: Calls,
    knowledge: Knowledge,
}

/// What the userinfo endpoint says.
#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    #[serde(flatten)]
    profile: Claimed,
}

impl Oidc {
    /// Builds the client for calls. None is made.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        let calls = Calls::new(&settings.id, &settings.way, settings.issuer.starts_with("https:"))?;
        Ok(Oidc { settings, calls, knowledge: Knowledge::default() })
    }

    fn asking(&self) -> Asking<'_> {
        let deadline = Instant::now() + self.settings.exchange_timeout;
        Asking { provider: &self.settings.id, calls: &self.calls, deadline }
    }

    /// Who the token says it is. A key that is not known may be a new one: the keys are asked for once more then.
    async fn verified(
        &self,
        asking: &Asking<'_>,
        token: &str,
        expected: &Expected<'_>,
        known: &Arc<Known>,
    ) -> Result<Claims, Error> {
        let mut verified = id_token::verify(token, &known.keys, expected);
        if verified.as_ref().err() == Some(&Bad::UnknownKey)
            && let Some(newer) = self.knowledge.newer_keys(asking, known).await
        {
            verified = id_token::verify(token, &newer.keys, expected);
        }
        let provider = || self.settings.id.clone();
        verified.map_err(|bad| match bad {
            Bad::ForeignClient => Error::ForeignClient { provider: provider() },
            Bad::UnknownKey => self.refused("unknown_key", "it is signed with a key that is not among the provider's"),
            Bad::Refused(meaning) => self.refused("id_token", meaning),
        })
    }

    fn refused(&self, code: &str, meaning: &'static str) -> Error {
        RefusedBy { provider: self.settings.id.clone(), step: "id_token", code: code.to_owned(), meaning }.into()
    }

    /// What the userinfo endpoint adds, if it is of the same person.
    async fn further(
        &self,
        asking: &Asking<'_>,
        known: &Known,
        token: &Secret<String>,
        subject: &str,
    ) -> Option<Claimed> {
        let endpoint = known.metadata.userinfo_endpoint.clone()?;
        let request = self.calls.client().get(endpoint).bearer_auth(token.expose());
        match asking.json::<UserInfo>("userinfo", request).await {
            Ok(info) if info.sub == subject || !rule::holds(Rule::UserInfoIsTheSamePersons) => Some(info.profile),
            Ok(_) => {
                warn!(provider = %self.settings.id, "userinfo is another person's than the ID token: left out");
                None
            }
            Err(error) => {
                warn!(
                    provider = %self.settings.id, %error,
                    "the user's name and picture could not be fetched: logged in without them"
                );
                None
            }
        }
    }
}

#[async_trait]
impl IdentityProvider for Oidc {
    fn id(&self) -> &ProviderId {
        &self.settings.id
    }

    fn title(&self) -> &str {
        &self.settings.title
    }

    fn takes_pkce(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        self.knowledge.present().is_some()
    }

    async fn prepare(&self) -> Result<(), Error> {
        self.knowledge.get(&self.asking(), &self.settings.issuer).await.map(drop)
    }

    fn client_id(&self) -> &str {
        &self.settings.client_id
    }

    fn patience(&self) -> Duration {
        self.settings.exchange_timeout
    }

    fn authorize_url(&self, challenge: &Challenge<'_>) -> Option<Url> {
        let mut url = self.knowledge.present()?.metadata.authorization_endpoint.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", challenge.redirect_uri.as_str())
            .append_pair("scope", &self.settings.scope.join(" "))
            .append_pair("state", challenge.state);
        if let Some(pkce) = challenge.pkce {
            query
                .append_pair("nonce", &pkce.nonce())
                .append_pair("code_challenge", &pkce.challenge())
                .append_pair("code_challenge_method", "S256");
        }
        drop(query);
        Some(url)
    }

    fn read_return(&self, query: &[(String, String)]) -> Returned {
        let Ok(issuer) = oauth::once(query, "iss") else { return Returned::Malformed };
        let is_promised = || {
            self.knowledge.present().is_some_and(|known| known.metadata.authorization_response_iss_parameter_supported)
        };
        let is_theirs = match issuer {
            Some(issuer) => issuer == self.settings.issuer,
            None => !is_promised(),
        };
        if !is_theirs && rule::holds(Rule::AReturnIsFromTheIssuerThatWasAsked) {
            return Returned::Malformed;
        }
        oauth::read_return(&self.settings.id, query)
    }

    async fn identify(&self, exchange: Exchange<'_>) -> Result<Identity, Error> {
        let Settings { issuer, client_id, client_secret, token_auth, algorithm, .. } = &self.settings;
        let asking = self.asking();
        let known = self.knowledge.get(&asking, issuer).await?;
        let client = Client { id: client_id, secret: client_secret, auth: *token_auth };
        let tokens = asking.tokens(&known.metadata.token_endpoint, &client, &exchange).await?;
        let tokens = tokens.both().ok_or_else(|| asking.malformed("token", "no access_token or no id_token"))?;
        let (access_token, id_token) = tokens;
        let nonce = exchange.pkce.map(super::Pkce::nonce).unwrap_or_default();
        let expected = Expected { issuer, client_id, algorithm: *algorithm, nonce: &nonce, now: exchange.now };
        let claims = self.verified(&asking, id_token.expose(), &expected, &known).await?;
        let mut profile = claims.profile;
        if called(&profile).is_none() {
            profile = self.further(&asking, &known, &access_token, &claims.sub).await.unwrap_or(profile);
        }
        let avatar = profile.picture().and_then(|picture| profile::picture(Url::parse(picture).ok()?));
        Ok(Identity {
            display_name: called(&profile),
            avatar,
            subject: claims.sub,
            client_id: client_id.clone(),
            unionid: None,
        })
    }
}

/// The first name that can be shown.
fn called(profile: &Claimed) -> Option<String> {
    profile.names().find_map(display_name)
}
