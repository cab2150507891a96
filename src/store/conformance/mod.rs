//! What every store promises, as named checks that any backend can be put through.
//!
//! [`checks`] take an empty store. [`DURABILITY_CHECKS`] take a [`Place`] that holds one, and leave and enter it again.
//! A check tells what was broken as a sentence. That the checks notice is itself tested, against stores that break one
//! promise each (`broken/`).

mod audit;
mod bindings;
mod durability;
mod import;
mod keys;
mod life;
mod operator;
mod revocations;
mod scene;
mod sealed;
mod users;

#[cfg(test)]
mod broken;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use self::durability::CHECKS as DURABILITY_CHECKS;
use super::Store;

/// What a check found broken; empty-handed if nothing is.
pub type Verdict = Result<(), String>;

/// One promise of [`Store`], checked on an empty store.
#[derive(Clone, Copy)]
pub struct Check {
    /// The promise, as a sentence.
    pub name: &'static str,
    /// Puts an empty store to the test.
    pub run: fn(Arc<dyn Store>) -> BoxFuture<'static, Verdict>,
}

/// One promise of [`Store`] about what lasts.
#[derive(Clone, Copy)]
pub struct DurabilityCheck {
    /// The promise, as a sentence.
    pub name: &'static str,
    /// Puts a place that holds an empty store to the test.
    pub run: fn(Arc<dyn Place>) -> BoxFuture<'static, Verdict>,
}

/// Where a store lives, so that it can be closed and opened again.
#[async_trait::async_trait]
pub trait Place: Send + Sync + 'static {
    /// Opens the store that lives here.
    async fn open(&self) -> Result<Arc<dyn Store>, String>;
}

/// Every check but those of durability.
pub fn checks() -> impl Iterator<Item = Check> {
    let all = [
        users::CHECKS,
        bindings::CHECKS,
        operator::CHECKS,
        import::CHECKS,
        audit::CHECKS,
        revocations::CHECKS,
        keys::CHECKS,
        sealed::CHECKS,
        life::CHECKS,
    ];
    all.into_iter().flatten().copied()
}

/// A list of checks, each named like its function.
macro_rules! promises {
    ($kind:ident: $($name:ident),+ $(,)?) => {
        &[$($kind { name: stringify!($name), run: |subject| Box::pin($name(subject)) }),+]
    };
}

/// Fails the check with a sentence unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err(format!($($sentence)+));
        }
    };
}

use {ensure, promises};
