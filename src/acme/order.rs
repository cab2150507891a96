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

/// The types of problems that say that a name does not seem to be ours.
const ABOUT_THE_NAME: [&str; 6] = ["caa", "connection", "dns", "incorrectResponse", "tls", "unauthorized"];

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
        /// The type of the problem, without what all of ACME's begin with (RFC 8555, 6.7); empty: none.
        kind: String,
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
        self.is_refused_for("rateLimited")
    }

    fn is_refused_for(&self, reason: &str) -> bool {
        matches!(self, OrderError::Refused { kind, .. } if kind == reason)
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
        let wanted = NewOrder::new(&identifiers);
        let mut order = match account.new_order(&wanted).await.map_err(OrderError::from) {
            // Whoever runs the authority has begun anew.
            Err(error) if error.is_refused_for("accountDoesNotExist") => {
                self.new_account().await?.new_order(&wanted).await?
            }
            placed => placed?,
        };
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
        match self.vault.account(self.settings).await {
            Ok(Some(kept)) => {
                let client = Box::new(self.settings.client.clone());
                let account = Account::builder_with_http(client).from_credentials(kept).await?;
                if let Err(error) = self.tell_contact(&account).await {
                    tracing::warn!(%error, "the authority could not be told whom it may write to");
                }
                Ok(account)
            }
            // What cannot be read is worth as much as what is not there.
            Ok(None) | Err(OrderError::Unreadable { .. }) => self.new_account().await,
            Err(error) => Err(error),
        }
    }

    async fn new_account(&self) -> Result<Account, OrderError> {
        let client = Box::new(self.settings.client.clone());
        let contact: Vec<_> = self.settings.contact.iter().map(String::as_str).collect();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let directory = self.settings.directory.to_string();
        let (account, kept) = Account::builder_with_http(client).create(&new, directory, None).await?;
        // It is there, and authorities count: it is used, whatever the store says.
        let (kept, told) =
            (self.vault.keep_account(self.settings, &kept).await, self.vault.keep_contact(self.settings).await);
        if let Err(error) = kept.and(told) {
            tracing::warn!(%error, "our account with the authority could not be kept: the next order makes another");
        }
        Ok(account)
    }

    /// Tells the authority whom it may write to, if that is somebody else by now (RFC 8555, 7.3.2).
    async fn tell_contact(&self, account: &Account) -> Result<(), OrderError> {
        if self.vault.contact(self.settings).await?.as_ref() == Some(&self.settings.contact) {
            return Ok(());
        }
        let contact: Vec<_> = self.settings.contact.iter().map(String::as_str).collect();
        match account.update_contacts(&contact).await.map_err(OrderError::from) {
            // A new one is made with the order, and told then.
            Err(error) if error.is_refused_for("accountDoesNotExist") => Ok(()),
            told => {
                told?;
                self.vault.keep_contact(self.settings).await
            }
        }
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
                let OrderError::Refused { reason, kind } = &error else { return Err(error) };
                let is_about_it = ABOUT_THE_NAME.contains(&kind.as_str());
                return Err(if is_about_it { OrderError::NotOurs { reason: reason.clone() } } else { error });
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
            return OrderError::Refused { reason: told(problem), kind: kind(problem).to_owned() };
        }
        if matches!(error, instant_acme::Error::Timeout(_)) {
            return OrderError::TookTooLong;
        }
        OrderError::Authority { reason: error.to_string() }
    }
}

fn told(problem: &Problem) -> String {
    format!("{} ({})", problem.detail.as_deref().unwrap_or("it does not say why"), kind(problem))
}

fn kind(problem: &Problem) -> &str {
    let kind = problem.r#type.as_deref().unwrap_or("no type");
    kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind)
}
