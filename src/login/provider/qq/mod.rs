//! QQ Connect: OAuth 2.0 with a protocol of its own. The token call is a GET with the secret in its query, answers are
//! form pairs, JSON or JSONP under status 200 even for errors, errors are numbers, and the user's id comes in a second call.
//!
//! | file | owns |
//! | --- | --- |
//! | `returned` | what the callback's query says |
//! | `calls` | the network: one attempt, bounded in time and size, never redirected |
//! | `answer` | from bytes to members, in any of the shapes QQ has used |
//! | `openid`, `profile` | the two things a login takes from them |
//! | `errors` | QQ's numbers, for the operator |

mod answer;
mod calls;
mod errors;
mod openid;
mod probe;
mod profile;
#[cfg(test)]
mod recorded;
mod returned;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use super::calls::{BuildError, Way};
use super::{Challenge, Display, Error, Exchange, Identity, IdentityProvider, ProviderId, Returned};
use crate::secret::Secret;

use answer::Members;
use calls::Calls;
use errors::{Fault, Step};
use profile::Profile;

pub use openid::OpenId;
pub use probe::{Missed, Reached};

/// Longest wait for the name and the picture: they are not worth more of a visitor's patience, and a login does without.
const PROFILE_TIMEOUT: Duration = Duration::from_secs(3);

/// How to reach QQ Connect, and as whom. Made by `config::build`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The provider's name in the configuration.
    pub id: ProviderId,
    /// The appid: digits.
    pub client_id: String,
    /// The appkey.
    pub client_secret: Secret<String>,
    /// `GET`, by the browser. Default `https://graph.qq.com/oauth2.0/authorize`.
    pub authorize_url: Url,
    /// `GET`, by us. Default `https://graph.qq.com/oauth2.0/token`.
    pub token_url: Url,
    /// `GET`, by us. Default `https://graph.qq.com/oauth2.0/me`.
    pub openid_url: Url,
    /// `GET`, by us. Default `https://graph.qq.com/user/get_user_info`.
    pub user_info_url: Url,
    /// Ask for the unionid. Only for apps with that right: without it QQ answers error 100048 and no openid.
    pub unionid: bool,
    /// API names to ask the user for, joined with commas; empty asks for QQ's default, `get_user_info`.
    pub scope: Vec<String>,
    /// Longest time for a whole exchange: token, openid and user info together.
    pub exchange_timeout: Duration,
    /// How calls to QQ go out.
    pub way: Way,
}

/// QQ Connect as an identity provider.
pub struct Qq {
    settings: Settings,
    calls: Calls,
}

impl Qq {
    /// Builds the client for calls to QQ. No call is made.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        let calls = Calls::new(&settings)?;
        Ok(Qq { settings, calls })
    }

    /// What three answers of QQ's come to, the access token and who it is: for whoever has the answers and no network,
    /// such as the fuzzer. Here a profile that cannot be read is a fault too.
    pub fn read_answers(&self, token: &[u8], me: &[u8], info: &[u8]) -> Result<(Secret<String>, Identity), Error> {
        let id = &self.settings.id;
        let read = |step, body| Members::read(step, body).map_err(|fault| fault.at(id, step));
        let token = read(Step::Token, token)?.access_token().map_err(|fault| fault.at(id, Step::Token))?;
        let ids = self.ids(&read(Step::OpenId, me)?);
        let (openid, unionid) = ids.map_err(|fault| fault.at(id, Step::OpenId))?;
        Ok((token, self.identity(openid, unionid, Profile::of(&read(Step::UserInfo, info)?))))
    }

    /// Code to access token. `fmt=json` asks for the one shape whose errors cannot be taken for anything else; other
    /// shapes are read all the same.
    async fn fetch_token(
        &self,
        code: &super::Code,
        redirect_uri: &Url,
        deadline: Instant,
    ) -> Result<Secret<String>, Fault> {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.settings.client_id),
            ("client_secret", self.settings.client_secret.expose()),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri.as_str()),
            ("fmt", "json"),
        ];
        let members = self.fetch(Step::Token, &self.settings.token_url, &pairs, deadline).await?;
        members.access_token()
    }

    /// Access token to openid and, where asked for, unionid.
    async fn fetch_openid(&self, token: &str, deadline: Instant) -> Result<(OpenId, Option<String>), Fault> {
        let mut pairs = vec![("access_token", token), ("fmt", "json")];
        if self.settings.unionid {
            pairs.push(("unionid", "1"));
        }
        self.ids(&self.fetch(Step::OpenId, &self.settings.openid_url, &pairs, deadline).await?)
    }

    fn ids(&self, members: &Members) -> Result<(OpenId, Option<String>), Fault> {
        openid::check_client(members, &self.settings.client_id)?;
        let unionid = if self.settings.unionid { openid::unionid(members)? } else { None };
        Ok((OpenId::of(members)?, unionid))
    }

    async fn fetch_profile(&self, token: &str, openid: &OpenId, deadline: Instant) -> Result<Profile, Fault> {
        let pairs =
            [("access_token", token), ("oauth_consumer_key", &self.settings.client_id), ("openid", openid.as_str())];
        let members = self.fetch(Step::UserInfo, &self.settings.user_info_url, &pairs, deadline).await?;
        Ok(Profile::of(&members))
    }

    fn identity(&self, openid: OpenId, unionid: Option<String>, profile: Profile) -> Identity {
        Identity {
            subject: openid.into_string(),
            client_id: self.settings.client_id.clone(),
            unionid,
            display_name: profile.display_name,
            avatar: profile.avatar,
        }
    }

    async fn fetch(
        &self,
        step: Step,
        endpoint: &Url,
        pairs: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<Members, Fault> {
        let mut address = endpoint.clone();
        address.query_pairs_mut().extend_pairs(pairs);
        self.calls.get(step, address, deadline).await
    }
}

#[async_trait]
impl IdentityProvider for Qq {
    fn id(&self) -> &ProviderId {
        &self.settings.id
    }

    fn title(&self) -> &str {
        "QQ"
    }

    fn takes_pkce(&self) -> bool {
        // QQ documents none, and how it takes parameters that it does not know is not known.
        false
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
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", challenge.redirect_uri.as_str())
            .append_pair("state", challenge.state);
        if !self.settings.scope.is_empty() {
            query.append_pair("scope", &self.settings.scope.join(","));
        }
        // QQ's page for phones hands over to the QQ app; its other page shows a QR code that the phone cannot scan.
        if challenge.display == Display::Mobile {
            query.append_pair("display", "mobile");
        }
        drop(query);
        Some(url)
    }

    fn read_return(&self, query: &[(String, String)]) -> Returned {
        returned::read(&self.settings.id, query)
    }

    async fn identify(&self, exchange: Exchange<'_>) -> Result<Identity, Error> {
        let id = &self.settings.id;
        let deadline = Instant::now() + self.settings.exchange_timeout;
        let token = self.fetch_token(&exchange.code, exchange.redirect_uri, deadline).await;
        let token = token.map_err(|fault| fault.at(id, Step::Token))?;
        let openid = self.fetch_openid(token.expose(), deadline).await;
        let (openid, unionid) = openid.map_err(|fault| fault.at(id, Step::OpenId))?;

        let deadline = deadline.min(Instant::now() + PROFILE_TIMEOUT);
        let profile = self.fetch_profile(token.expose(), &openid, deadline).await.unwrap_or_else(|fault| {
            let error = fault.at(id, Step::UserInfo);
            warn!(provider = %id, %error, "the user's name and picture could not be fetched: logged in without them");
            Profile::default()
        });
        Ok(self.identity(openid, unionid, profile))
    }
}
