//! GitHub: OAuth 2.0 whose answers are JSON where that is asked for, and whose errors come under status 200. Who somebody is
//! says a number: names there can change hands.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::calls::{BuildError, Calls, Way};
use super::oauth::{self, Asking, Client, TokenAuth};
use super::profile::{self, display_name};
use super::{Challenge, Error, Exchange, Identity, IdentityProvider, ProviderId, Returned};
use crate::secret::Secret;

/// How to reach GitHub, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The provider's name in the configuration.
    pub id: ProviderId,
    /// What it is called on its button.
    pub title: String,
    /// The OAuth app's client id.
    pub client_id: String,
    /// Its client secret.
    pub client_secret: Secret<String>,
    /// `GET`, by the browser.
    pub authorize_url: Url,
    /// `POST`, by us.
    pub token_url: Url,
    /// `GET`, by us.
    pub user_url: Url,
    /// What is asked for; who somebody is needs nothing.
    pub scope: Vec<String>,
    /// Longest time for a whole exchange.
    pub exchange_timeout: Duration,
    /// How calls go out.
    pub way: Way,
}

/// GitHub as an identity provider.
pub struct GitHub {
    settings: Settings,
    calls: Calls,
}

/// Who somebody is there.
#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    name: Option<String>,
    avatar_url: Option<String>,
}

impl GitHub {
    /// Builds the client for calls. None is made.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        let speaks_tls = [&settings.token_url, &settings.user_url].iter().any(|url| url.scheme() == "https");
        let calls = Calls::new(&settings.id, &settings.way, speaks_tls)?;
        Ok(GitHub { settings, calls })
    }
}

#[async_trait]
impl IdentityProvider for GitHub {
    fn id(&self) -> &ProviderId {
        &self.settings.id
    }

    fn title(&self) -> &str {
        &self.settings.title
    }

    fn takes_pkce(&self) -> bool {
        true
    }

    fn client_id(&self) -> &str {
        &self.settings.client_id
    }

    fn patience(&self) -> Duration {
        self.settings.exchange_timeout
    }

    fn authorize_url(&self, challenge: &Challenge<'_>) -> Option<Url> {
        let mut url = self.settings.authorize_url.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", challenge.redirect_uri.as_str())
            .append_pair("state", challenge.state);
        if !self.settings.scope.is_empty() {
            query.append_pair("scope", &self.settings.scope.join(" "));
        }
        if let Some(pkce) = challenge.pkce {
            query.append_pair("code_challenge", &pkce.challenge()).append_pair("code_challenge_method", "S256");
        }
        drop(query);
        Some(url)
    }

    fn read_return(&self, query: &[(String, String)]) -> Returned {
        oauth::read_return(&self.settings.id, query)
    }

    async fn identify(&self, exchange: Exchange<'_>) -> Result<Identity, Error> {
        let Settings { id, client_id, client_secret, .. } = &self.settings;
        let deadline = Instant::now() + self.settings.exchange_timeout;
        let asking = Asking { provider: id, calls: &self.calls, deadline };
        let client = Client { id: client_id, secret: client_secret, auth: TokenAuth::Post };
        let tokens = asking.tokens(&self.settings.token_url, &client, &exchange).await?;
        let token = tokens.access().ok_or_else(|| asking.malformed("token", "no access_token"))?;
        let request = self.calls.client().get(self.settings.user_url.clone()).bearer_auth(token.expose());
        let user: User = asking.json("user", request).await?;
        let name = user.name.as_deref().and_then(display_name).or_else(|| display_name(&user.login));
        let avatar = user.avatar_url.and_then(|avatar| profile::picture(Url::parse(&avatar).ok()?));
        Ok(Identity {
            subject: user.id.to_string(),
            client_id: client_id.clone(),
            unionid: None,
            display_name: name,
            avatar,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::provider::suite::{Call, Subject, provider_suite};

    const SECRET: &str = "gh-s3cret";

    static GITHUB: Subject = Subject {
        build: |base, patience| Box::new(GitHub::new(settings(base, patience)).unwrap()),
        calls: &[
            Call {
                path: "/token",
                body: r#"{"access_token":"gho_T0KEN","scope":"","token_type":"bearer"}"#,
                required: true,
            },
            Call {
                path: "/user",
                body: r#"{"id":583231,"login":"octocat","name":null,"avatar_url":"https://a.example/u/1"}"#,
                required: true,
            },
        ],
        secrets: &[SECRET, "gho_T0KEN", "T0KEN"],
    };

    provider_suite!(GITHUB);

    fn settings(base: &Url, exchange_timeout: Duration) -> Settings {
        Settings {
            id: ProviderId::new("github"),
            title: "GitHub".to_owned(),
            client_id: "Iv1.abc".to_owned(),
            client_secret: Secret::from(SECRET),
            authorize_url: base.join("/authorize").unwrap(),
            token_url: base.join("/token").unwrap(),
            user_url: base.join("/user").unwrap(),
            scope: Vec::new(),
            exchange_timeout,
            way: Way { connect_timeout: Duration::from_secs(10), proxy: None, extra_ca: None },
        }
    }
}
