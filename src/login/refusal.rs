//! Why a callback did not end in a login.

use std::sync::Arc;
use std::time::Duration;

use super::exchange::ExchangeError;
use super::pace::TooFast;
use super::provider::{self, RefusedBy};
use crate::account::SignInError;
use crate::store::UserId;

/// Why a callback did not end in a login.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no code: the user pressed cancel, or somebody called by hand.
    #[error("the callback has no code")]
    NoCode,
    /// The code or the state has a shape that nobody issues.
    #[error("the callback's code or state has a shape that nobody issues")]
    Malformed,
    /// The browser brought no attempt cookie at all.
    #[error("the browser brought no attempt cookie")]
    NoAttempt,
    /// It brought others, but not this state's.
    #[error("the attempt was not begun in this browser")]
    Foreign,
    /// It took longer than an attempt lives.
    #[error("the attempt is too old")]
    Expired,
    /// The state was used before.
    #[error("the attempt was used before")]
    Used,
    /// The provider said by redirect that it refuses.
    #[error(transparent)]
    Provider(RefusedBy),
    /// Too many from one address; it may try again after so long. Nothing was spent.
    #[error("too many tries from one address")]
    TooOften(Duration),
    /// Too many from all together; try again after so long. Nothing was spent.
    #[error("too many logins are under way")]
    Crowded(Duration),
    /// As many exchanges as may be are under way. Nothing was spent: the same callback may come again.
    #[error("too many exchanges are under way")]
    Busy,
    /// The store is down. Nothing was spent: the same callback may come again.
    #[error("the store is down")]
    StoreDown(#[source] crate::store::Error),
    /// The provider has not answered lately; it is asked again after so long. Nothing was spent.
    #[error("the provider has not answered lately")]
    ProviderDown(Duration),
    /// The provider does not tell where it sends browsers. Nothing was begun.
    #[error("a login cannot begin")]
    Unprepared(#[source] provider::Error),
    /// The exchange was tried and failed.
    #[error(transparent)]
    Exchange(Arc<ExchangeError>),
    /// The process is going down in the middle of it.
    #[error("the exchange was cut off")]
    CutOff,
}

impl Refusal {
    /// The user who may not log in, if that is why.
    pub fn blocked(&self) -> Option<UserId> {
        let Refusal::Exchange(error) = self else { return None };
        match error.as_ref() {
            ExchangeError::SignIn(SignInError::Blocked(user)) => Some(*user),
            ExchangeError::SignIn(_) | ExchangeError::Provider(_) | ExchangeError::Session(_) => None,
        }
    }

    /// Its name where refusals are counted.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::NoCode => "cancelled",
            Refusal::Malformed => "malformed",
            Refusal::NoAttempt => "no-attempt",
            Refusal::Foreign => "another-browser",
            Refusal::Expired => "expired",
            Refusal::Used => "used",
            Refusal::Provider(_) => "provider-refused",
            Refusal::TooOften(_) => "too-often",
            Refusal::Crowded(_) => "crowded",
            Refusal::Busy => "busy",
            Refusal::StoreDown(_) => "store-down",
            Refusal::ProviderDown(_) | Refusal::Unprepared(_) => "provider-down",
            Refusal::Exchange(error) => match error.as_ref() {
                ExchangeError::Provider(_) => "exchange-failed",
                ExchangeError::SignIn(SignInError::Blocked(_)) => "blocked",
                ExchangeError::SignIn(SignInError::Store(_) | SignInError::NoRandomness(_))
                | ExchangeError::Session(_) => "our-fault",
            },
            Refusal::CutOff => "going-down",
        }
    }

    /// Whether the provider was asked.
    pub fn has_asked(&self) -> bool {
        matches!(self, Refusal::Exchange(_))
    }

    /// Whether everything is as before: the same callback may come again, with its cookie.
    pub(super) fn spends_nothing(&self) -> bool {
        match self {
            Refusal::TooOften(_)
            | Refusal::Crowded(_)
            | Refusal::Busy
            | Refusal::StoreDown(_)
            | Refusal::ProviderDown(_)
            | Refusal::Unprepared(_) => true,
            Refusal::NoCode
            | Refusal::Malformed
            | Refusal::NoAttempt
            | Refusal::Foreign
            | Refusal::Expired
            | Refusal::Used
            | Refusal::Provider(_)
            | Refusal::Exchange(_)
            | Refusal::CutOff => false,
        }
    }
}

impl From<TooFast> for Refusal {
    fn from(too_fast: TooFast) -> Self {
        match too_fast {
            TooFast::Address(wait) => Refusal::TooOften(wait),
            TooFast::All(wait) => Refusal::Crowded(wait),
        }
    }
}
