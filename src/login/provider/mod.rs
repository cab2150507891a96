//! One way to prove who somebody is: endpoints and quirks, never cookies or sessions.

mod calls;
pub mod github;
mod oauth;
pub mod oidc;
mod profile;
pub mod qq;
#[cfg(test)]
pub(crate) mod suite;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use url::Url;

pub use self::calls::{BuildError, Way};
pub use self::oauth::TokenAuth;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// A further provider, as configured.
#[derive(Debug, Clone)]
pub enum Further {
    /// One that speaks OpenID Connect.
    Oidc(Box<oidc::Settings>),
    /// GitHub.
    GitHub(Box<github::Settings>),
}

impl Further {
    /// Its name in the configuration.
    pub fn id(&self) -> &ProviderId {
        match self {
            Further::Oidc(settings) => &settings.id,
            Further::GitHub(settings) => &settings.id,
        }
    }

    /// Builds it. No call is made.
    pub fn build(&self) -> Result<Arc<dyn IdentityProvider>, BuildError> {
        Ok(match self {
            Further::Oidc(settings) => Arc::new(oidc::Oidc::new((**settings).clone())?),
            Further::GitHub(settings) => Arc::new(github::GitHub::new((**settings).clone())?),
        })
    }
}

/// A provider's name in the configuration (`[providers.qq]`), in paths and in bindings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProviderId(String);

impl ProviderId {
    /// The id spelt like this. The configuration has checked the spelling.
    pub fn new(name: impl Into<String>) -> Self {
        ProviderId(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the provider must hand back, and the page it should show.
#[derive(Clone, Debug)]
pub struct Challenge<'a> {
    /// The login's `state` (RFC 6749, 4.1.1): letters and digits only, unless it is the next page.
    pub state: &'a str,
    /// Where the provider sends the browser afterwards; repeated word for word in the token call.
    pub redirect_uri: &'a Url,
    /// What kind of screen the browser sits behind.
    pub display: Display,
    /// What the exchange will prove, for providers that ask for it.
    pub pkce: Option<Pkce<'a>>,
}

/// A code that is to be exchanged.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The code.
    pub code: Code,
    /// The address the provider was given.
    pub redirect_uri: &'a Url,
    /// What the login was begun with.
    pub pkce: Option<Pkce<'a>>,
    /// The time.
    pub now: Timestamp,
}

/// What only the browser's attempt knows, by which a code and a token are tied to it (RFC 7636; OpenID Connect Core,
/// 15.5.2).
#[derive(Clone, Copy)]
pub struct Pkce<'a>(&'a str);

impl<'a> Pkce<'a> {
    /// `verifier`: 64 letters and digits that nobody can guess.
    pub fn new(verifier: &'a str) -> Self {
        Pkce(verifier)
    }

    /// `code_verifier`, for the exchange alone.
    pub fn verifier(self) -> &'a str {
        self.0
    }

    /// `code_challenge` by the method S256.
    pub fn challenge(self) -> String {
        hashed(&[self.0])
    }

    /// `nonce`: tells no more of the verifier than the challenge does.
    pub fn nonce(self) -> String {
        hashed(&["nonce ", self.0])
    }
}

fn hashed(parts: &[&str]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, parts.concat().as_bytes()))
}

impl fmt::Debug for Pkce<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pkce")
    }
}

/// Which of its pages the provider should show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Display {
    /// A desktop browser.
    Desktop,
    /// A phone.
    Mobile,
}

/// What a provider sent the browser back with, as far as a query can tell.
#[derive(Debug)]
pub enum Returned {
    /// An authorization code, worth a call.
    Code(Code),
    /// The user pressed cancel, or the callback simply has no code.
    Cancelled,
    /// The provider's own error, told by redirect.
    Refused(RefusedBy),
    /// A query no provider sends, such as two codes or one that is no code: nothing to exchange.
    Malformed,
}

/// An authorization code whose shape has been checked. Single use; secret until spent.
#[derive(Debug)]
pub struct Code(Secret<String>);

impl Code {
    /// A code of 1 to 512 visible ASCII characters (RFC 6749, appendix A.11), or `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && !text.is_empty() && text.len() <= 512).then(|| Code(Secret::from(text)))
    }

    /// The code itself, for the token call alone.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Who somebody is, as the provider vouches for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The provider's stable name for the user at this client id (QQ: openid).
    pub subject: String,
    /// The client id it was issued to; equal to ours, or there would be no identity.
    pub client_id: String,
    /// The id all apps of one developer share (QQ: unionid), if asked for and granted.
    pub unionid: Option<String>,
    /// For display only; `None` where the provider did not say.
    pub display_name: Option<String>,
    /// An `https` or `http` address of the user's picture.
    pub avatar: Option<String>,
}

/// Why the provider gave no identity. `Display` is for the operator's log; none of it goes into a page.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The provider could not be reached, timed out, was cut off or answered with a server error.
    #[error("{provider} is unavailable: {reason}")]
    Unavailable {
        /// Which provider.
        provider: ProviderId,
        /// What happened, without addresses that carry secrets.
        reason: String,
    },
    /// The call could not be made here: this machine is out of something, which tells nothing of the provider.
    #[error("{provider} could not be asked from here: {reason}")]
    Local {
        /// Which provider.
        provider: ProviderId,
        /// What the system says.
        reason: String,
    },
    /// The provider answered that it is too busy or is throttling our client id.
    #[error("{provider} is throttling us: {reason}")]
    Busy {
        /// Which provider.
        provider: ProviderId,
        /// What it said, by number.
        reason: String,
    },
    /// The provider said no.
    #[error(transparent)]
    Refused(#[from] RefusedBy),
    /// The provider's answer has a shape nobody knows.
    #[error("{provider} gave an answer that cannot be read at {step}: {reason}")]
    Malformed {
        /// Which provider.
        provider: ProviderId,
        /// At which of its endpoints.
        step: &'static str,
        /// What is wrong with it; never the body itself.
        reason: &'static str,
    },
    /// The token was issued to another app (RFC 6749, 10.16): somebody tries to log in with a stolen token.
    #[error("{provider} says the token was issued to another client id than ours")]
    ForeignClient {
        /// Which provider.
        provider: ProviderId,
    },
}

/// A provider's refusal, by its own number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{provider} refused at {step}: error {code}: {meaning}")]
pub struct RefusedBy {
    /// Which provider.
    pub provider: ProviderId,
    /// At which of its endpoints.
    pub step: &'static str,
    /// Its error number or name, if it is one that is safe to print.
    pub code: String,
    /// What the number means and what the operator can do.
    pub meaning: &'static str,
}

/// One way to prove who somebody is.
#[async_trait]
pub trait IdentityProvider: Send + Sync + 'static {
    /// Its name in the configuration.
    fn id(&self) -> &ProviderId;

    /// What it is called on its button.
    fn title(&self) -> &str;

    /// Whether its logins carry [`Pkce`].
    fn takes_pkce(&self) -> bool;

    /// Whether it is known where it sends browsers. Where it is not, [`prepare`](Self::prepare) finds out.
    fn is_ready(&self) -> bool {
        true
    }

    /// Finds out what has to be known before a login begins. Calls the provider; of several at once one does.
    async fn prepare(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Our client id there (QQ: appid).
    fn client_id(&self) -> &str;

    /// The longest that [`identify`](Self::identify) takes.
    fn patience(&self) -> Duration;

    /// Where the browser goes next; `None` while it is not ready. Pure: it cannot be slow.
    fn authorize_url(&self, challenge: &Challenge<'_>) -> Option<Url>;

    /// Reads the callback's query, given as decoded pairs. Pure.
    fn read_return(&self, query: &[(String, String)]) -> Returned;

    /// Trades the code for the identity it stands for: every network call of a login, and one attempt per code.
    /// The state check has already been made.
    async fn identify(&self, exchange: Exchange<'_>) -> Result<Identity, Error>;
}
