//! The exchange: code → identity → user → session.

use super::provider::{self, Code};
use super::{Attempt, Login};
use crate::account::SignInError;
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
    /// Where the user goes.
    pub next: SafeRedirect,
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

impl Login {
    pub(super) async fn exchange(&self, attempt: &Attempt, code: Code) -> Result<LoggedIn, ExchangeError> {
        let identity = self.provider.identify(code, attempt.redirect_uri()).await;
        if let Err(error) = &identity {
            let is_down = matches!(error, provider::Error::Unavailable { .. } | provider::Error::Busy { .. });
            self.note_provider(is_down, self.clock.now());
        }
        let identity = identity?;
        self.note_provider(false, self.clock.now());
        let (signed_in, key) = self.accounts.sign_in(self.provider.id(), identity, &self.clock).await?;
        let snapshot = self.sessions.begin(&signed_in.user, &key, self.clock.now())?;
        Ok(LoggedIn { snapshot, created: signed_in.created, next: attempt.next() })
    }
}
