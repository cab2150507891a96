//! The exchange: code → identity → user → session.

use std::sync::atomic::{AtomicBool, Ordering};

use super::breaker::{Pass, Sign};
use super::provider::{self, Code, Exchange, Identity};
use super::{Attempt, Login};
use crate::account::SignInError;
use crate::clock::Timestamp;
use crate::http::safe_redirect::SafeRedirect;
use crate::identity::Snapshot;
use crate::session;

/// A finished login.
#[derive(Debug)]
pub struct LoggedIn {
    /// The new session.
    pub snapshot: Snapshot,
    /// Whether the user was made by it.
    pub created: bool,
    /// When it was finished: its user and the binding were there by then.
    pub at: Timestamp,
    /// Where the user goes.
    pub next: SafeRedirect,
    /// Whether the log has it already.
    told: AtomicBool,
}

impl LoggedIn {
    /// Whether nobody has told of it yet: true once. A doubled callback shares it, and is no login of its own.
    pub fn is_news(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }
}

/// Why an exchange that was tried ended in nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The provider gave no identity.
    #[error(transparent)]
    Provider(#[from] provider::Error),
    /// Nobody was signed in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// No session could be made.
    #[error(transparent)]
    Session(#[from] session::Error),
}

impl ExchangeError {
    /// Whether it counts against the address it came from: it did not fail by us, nor by the provider's not answering.
    pub(super) fn counts(&self) -> bool {
        match self {
            ExchangeError::Provider(error) => says_no(error),
            ExchangeError::SignIn(SignInError::Blocked(_)) => true,
            ExchangeError::SignIn(SignInError::Store(_) | SignInError::NoRandomness(_)) | ExchangeError::Session(_) => {
                false
            }
        }
    }
}

impl Login {
    /// `pass`: the breaker's leave to ask the provider.
    pub(super) async fn exchange(&self, attempt: &Attempt, code: Code, pass: Pass) -> Result<LoggedIn, ExchangeError> {
        let now = self.parts.clock.now();
        let exchange = Exchange { code, redirect_uri: attempt.redirect_uri(), pkce: attempt.pkce(), now };
        let identity = self.parts.provider.identify(exchange).await;
        if let Some(sign) = sign(&identity) {
            pass.tell(sign, self.parts.clock.now());
        }
        // Before the user is looked up: whatever an operator does to them from here on ends the session too.
        let began = self.parts.clock.now();
        let (signed_in, key) =
            self.parts.accounts.sign_in(self.parts.provider.id(), identity?, &self.parts.clock).await?;
        let snapshot = self.parts.sessions.begin(&signed_in.user, &key, began)?;
        let (at, told) = (self.parts.clock.now(), AtomicBool::new(false));
        Ok(LoggedIn { snapshot, created: signed_in.created, at, next: attempt.next(), told })
    }
}

/// What an exchange tells of the provider itself, if anything.
fn sign(identity: &Result<Identity, provider::Error>) -> Option<Sign> {
    match identity {
        Err(provider::Error::Local { .. }) => None,
        Err(error) if !says_no(error) => Some(Sign::Fails),
        Ok(_) | Err(_) => Some(Sign::Answers),
    }
}

/// Whether it was the provider that said no: a wrong code must shut nobody else out.
fn says_no(error: &provider::Error) -> bool {
    match error {
        provider::Error::Refused(_) | provider::Error::ForeignClient { .. } => true,
        // Who throttles us asks for fewer calls. What cannot be read was said by somebody else in its place, as
        // maintenance pages and captive portals are.
        provider::Error::Local { .. }
        | provider::Error::Unavailable { .. }
        | provider::Error::Busy { .. }
        | provider::Error::Malformed { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::provider::{ProviderId, RefusedBy};
    use crate::store::{self, UserId};

    /// What tells of the provider, and what of the visitor.
    #[test]
    fn each_failure_is_held_against_whoever_it_is_of() {
        let provider = || ProviderId::new("qq");
        let reason = String::new;
        let refused = RefusedBy { provider: provider(), step: "token", code: "100019".into(), meaning: "" };
        for (error, expected, counts) in [
            (provider::Error::Local { provider: provider(), reason: reason() }, None, false),
            (provider::Error::Unavailable { provider: provider(), reason: reason() }, Some(Sign::Fails), false),
            (provider::Error::Busy { provider: provider(), reason: reason() }, Some(Sign::Fails), false),
            (provider::Error::Malformed { provider: provider(), step: "me", reason: "" }, Some(Sign::Fails), false),
            (provider::Error::Refused(refused), Some(Sign::Answers), true),
            (provider::Error::ForeignClient { provider: provider() }, Some(Sign::Answers), true),
        ] {
            let told = Err(error);
            assert_eq!(sign(&told), expected, "{told:?}");
            let Err(error) = told else { continue };
            assert_eq!(ExchangeError::from(error).counts(), counts);
        }
        let down = SignInError::Store(store::Error::Unavailable { reason: reason() });
        assert!(!ExchangeError::from(down).counts());
        assert!(ExchangeError::from(SignInError::Blocked(UserId::from_bytes([1; 16]))).counts());
    }
}
