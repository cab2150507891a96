//! One order: from an account at the authority to a certificate in the store.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeHandle, ChallengeType, Identifier, NewAccount, NewOrder, OrderStatus,
    Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::vault::Vault;
use super::{Challenge, Settings, label};
use crate::http::http_01::Tokens;
use crate::seal::SealError;
use crate::secret::Secret;
use crate::store;
use crate::tls::{CertificateError, Challenges, Issued};

/// How long the authority may take to look whether a name is ours, and to issue a certificate after that.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.2).timeout(Duration::from_secs(75));

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// It could not be spoken to, or what it said is not understood.
    #[error("the authority does not answer as it should: {reason}")]
    Authority {
        /// What happened.
        reason: String,
    },
    /// It has said no.
    #[error("the authority refuses: {reason}")]
    Refused {
        /// In its own words.
        reason: String,
        /// Whether we come too often.
        is_limit: bool,
    },
    /// It does not believe that the name is ours.
    #[error("the authority could not see that the name is ours: {reason}")]
    NotOurs {
        /// In its own words.
        reason: String,
    },
    /// It would look in other ways than ours.
    #[error("the authority does not offer the challenge that tls.acme.challenge names")]
    NotOffered,
    /// It has not come to an end.
    #[error("it took too long")]
    TookTooLong,
    /// What was issued cannot be shown.
    #[error("what was issued cannot be used")]
    Unusable(#[from] CertificateError),
    /// What was issued is for somebody else.
    #[error("what was issued is not for this name")]
    AnothersName,
    /// No key, or no request for a certificate, could be made.
    #[error("no request could be made")]
    Request(#[from] rcgen::Error),
    /// No answer to a challenge could be made.
    #[error("no answer to the challenge could be made")]
    Answer(#[from] rustls::Error),
    /// What is kept does not open under this master key, or is damaged.
    #[error("what is kept as {name:?} cannot be read")]
    Unreadable {
        /// Its name in the store.
        name: String,
    },
    /// Nothing can be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl OrderError {
    /// Whether the authority has said that we come too often.
    pub(super) fn is_limit(&self) -> bool {
        matches!(self, OrderError::Refused { is_limit: true, .. })
    }
}

/// What an order needs.
pub(super) struct Order<'a> {
    pub(super) settings: &'a Settings,
    pub(super) vault: &'a Vault,
    pub(super) tokens: &'a Tokens,
    pub(super) handshakes: &'a Challenges,
}

impl Order<'_> {
    /// Has a certificate issued for a name, and keeps it.
    pub(super) async fn place(&self, name: &str) -> Result<Issued, OrderError> {
        let account = self.account().await?;
        let identifiers = [Identifier::Dns(name.to_owned())];
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
        // What is shown is taken back when the authority has looked, whatever it has seen.
        let posted = self.answer_challenges(&mut order).await?;
        if !matches!(order.state().status, OrderStatus::Ready | OrderStatus::Valid) {
            let looked = order.poll_ready(&PATIENCE).await;
            if !matches!(looked, Ok(OrderStatus::Ready)) {
                return Err(why_not(&mut order, looked.err()).await);
            }
        }
        drop(posted);
        let key = KeyPair::generate()?;
        order.finalize_csr(request(name, &key)?.as_ref()).await?;
        let chain = order.poll_certificate(&PATIENCE).await?;
        let issued = Issued { label: label(name), chain, key: Secret::new(key.serialize_pem()) };
        if !issued.validity()?.names.iter().any(|named| named == name) {
            return Err(OrderError::AnothersName);
        }
        // It has been issued, and authorities count: it is shown, whatever the store says.
        if let Err(error) = self.vault.keep_certificate(self.settings, name, &issued).await {
            tracing::warn!(name, %error, "an issued certificate could not be kept: it is asked for anew after a restart");
        }
        Ok(issued)
    }

    /// The account that we have there, or a new one.
    async fn account(&self) -> Result<Account, OrderError> {
        let client = || Box::new(self.settings.client.clone());
        if let Some(kept) = self.vault.account(self.settings).await? {
            return Ok(Account::builder_with_http(client()).from_credentials(kept).await?);
        }
        let contact: Vec<_> = self.settings.contact.iter().map(String::as_str).collect();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let directory = self.settings.directory.to_string();
        let (account, kept) = Account::builder_with_http(client()).create(&new, directory, None).await?;
        self.vault.keep_account(self.settings, &kept).await?;
        Ok(account)
    }

    /// Shows what the authority will look for, and has it look.
    async fn answer_challenges(&self, order: &mut instant_acme::Order) -> Result<Vec<Posted<'_>>, OrderError> {
        let kind = match self.settings.challenge {
            Challenge::Http01 => ChallengeType::Http01,
            Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        };
        let mut posted = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            // It has looked before, and remembers.
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let mut challenge = authorization.challenge(kind.clone()).ok_or(OrderError::NotOffered)?;
            posted.push(self.post(&challenge)?);
            if let Err(error) = challenge.set_ready().await {
                let error = error.into();
                // It has looked already.
                let OrderError::Refused { reason, is_limit: false } = error else { return Err(error) };
                return Err(OrderError::NotOurs { reason });
            }
        }
        Ok(posted)
    }

    fn post(&self, challenge: &ChallengeHandle<'_>) -> Result<Posted<'_>, OrderError> {
        let answer = challenge.key_authorization();
        Ok(match self.settings.challenge {
            Challenge::Http01 => {
                self.tokens.post(&challenge.token, answer.as_str());
                Posted::Token(self.tokens, challenge.token.clone())
            }
            Challenge::TlsAlpn01 => {
                let name = challenge.identifier().to_string();
                self.handshakes.post(&name, shown(&name, answer.digest().as_ref())?);
                Posted::Handshake(self.handshakes, name)
            }
        })
    }
}

/// What is shown to an authority, for as long as this is held.
enum Posted<'a> {
    Token(&'a Tokens, String),
    Handshake(&'a Challenges, String),
}

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        match self {
            Posted::Token(tokens, token) => tokens.take_back(token),
            Posted::Handshake(handshakes, name) => handshakes.take_back(name),
        }
    }
}

/// The certificate that proves nothing but that we know the answer (RFC 8737, 3).
fn shown(name: &str, digest: &[u8]) -> Result<CertifiedKey, OrderError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// The request for a certificate. It names no subject: authorities take the names alone.
fn request(name: &str, key: &KeyPair) -> Result<impl AsRef<[u8]>, OrderError> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

/// What the authority says of the challenge that went wrong, where it says anything.
async fn why_not(order: &mut instant_acme::Order, error: Option<instant_acme::Error>) -> OrderError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { break };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return OrderError::NotOurs { reason: told(problem) };
        }
    }
    match error {
        Some(error) => error.into(),
        None => OrderError::NotOurs { reason: "it does not say why".to_owned() },
    }
}

impl From<instant_acme::Error> for OrderError {
    fn from(error: instant_acme::Error) -> Self {
        if let instant_acme::Error::Api(problem) = &error {
            let is_limit = problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:rateLimited");
            return OrderError::Refused { reason: told(problem), is_limit };
        }
        if matches!(error, instant_acme::Error::Timeout(_)) {
            return OrderError::TookTooLong;
        }
        OrderError::Authority { reason: error.to_string() }
    }
}

fn told(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or("no type");
    let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
    format!("{} ({kind})", problem.detail.as_deref().unwrap_or("it does not say why"))
}
