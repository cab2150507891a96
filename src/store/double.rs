//! A store that fails, hangs and recovers when a test says so, for those who use stores. It keeps revocations and one user.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{
    Actor, AuditEntry, AuditPage, AuditPosition, BindError, Binding, Cursor, Error, IdentityKey, ImportRow, Imported,
    KeyPurpose, NewUser, Profile, Revocation, SessionsEnd, SignedIn, Store, StoredKey, User, UserId, UserState,
};
use crate::clock::Timestamp;

/// A store in a test's hands.
#[derive(Debug, Default)]
pub(crate) struct Double {
    /// It refuses everything.
    pub(crate) is_down: AtomicBool,
    /// Told after each try to write a revocation down.
    pub(crate) tried: Notify,
    /// Whom it knows.
    pub(crate) user: Mutex<Option<User>>,
    /// How often it was asked for a user.
    pub(crate) asked: AtomicUsize,
    /// It never closes, and never says who a user is.
    pub(crate) hangs: AtomicBool,
    written: Mutex<Vec<Revocation>>,
}

impl Double {
    /// A store that never closes.
    pub(crate) fn hanging() -> Self {
        Double { hangs: true.into(), ..Double::default() }
    }

    /// What has been written down.
    pub(crate) fn written(&self) -> Vec<Revocation> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn down<T>(&self) -> Result<T, Error> {
        Err(Error::Unavailable { reason: "as told by the test".to_owned() })
    }
}

#[async_trait]
impl Store for Double {
    async fn find_user(&self, _: &IdentityKey) -> Result<Option<User>, Error> {
        self.down()
    }

    async fn user(&self, _: UserId) -> Result<Option<User>, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.is_down.load(Ordering::SeqCst) {
            return self.down();
        }
        Ok(self.user.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn create_bound(&self, _: &IdentityKey, _: NewUser, _: Timestamp) -> Result<SignedIn, Error> {
        self.down()
    }

    async fn bind(&self, _: &IdentityKey, _: Option<String>, _: UserId, _: Timestamp) -> Result<(), BindError> {
        Ok(self.down()?)
    }

    async fn update_profile(&self, _: UserId, _: Profile, _: Timestamp, _: Timestamp) -> Result<User, Error> {
        self.down()
    }

    async fn bindings(&self, _: Option<&IdentityKey>, _: usize) -> Result<Vec<Binding>, Error> {
        self.down()
    }

    async fn users(&self, _: Option<UserId>, _: usize) -> Result<Vec<User>, Error> {
        self.down()
    }

    async fn bindings_of(&self, _: UserId) -> Result<Vec<Binding>, Error> {
        self.down()
    }

    async fn set_state(&self, _: UserId, _: UserState, _: Actor, _: Timestamp, _: SessionsEnd) -> Result<User, Error> {
        self.down()
    }

    async fn unbind(&self, _: &IdentityKey, _: Actor, _: Timestamp, _: SessionsEnd) -> Result<Option<Binding>, Error> {
        self.down()
    }

    async fn import(&self, _: ImportRow, _: bool, _: Actor, _: Timestamp, _: SessionsEnd) -> Result<Imported, Error> {
        self.down()
    }

    async fn erase(&self, _: UserId, _: Actor, _: Timestamp, _: SessionsEnd) -> Result<bool, Error> {
        self.down()
    }

    async fn record(&self, _: AuditEntry) -> Result<(), Error> {
        self.down()
    }

    async fn audit(&self, _: AuditPage, _: usize) -> Result<Vec<(AuditPosition, AuditEntry)>, Error> {
        self.down()
    }

    async fn forget_audit(&self, _: Timestamp) -> Result<usize, Error> {
        self.down()
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), Error> {
        let outcome = if self.is_down.load(Ordering::SeqCst) {
            self.down()
        } else {
            self.written.lock().unwrap_or_else(PoisonError::into_inner).push(revocation);
            Ok(())
        };
        self.tried.notify_one();
        outcome
    }

    async fn revocations(&self, _: Cursor, _: Timestamp) -> Result<(Vec<Revocation>, Cursor), Error> {
        self.down()
    }

    async fn sweep(&self, _: Timestamp) -> Result<usize, Error> {
        self.down()
    }

    async fn keys_or_first(&self, _: StoredKey) -> Result<Vec<StoredKey>, Error> {
        self.down()
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, Error> {
        self.down()
    }

    async fn rotate_key(&self, _: StoredKey, _: bool, _: Actor) -> Result<(), Error> {
        self.down()
    }

    async fn forget_key(&self, _: &str, _: KeyPurpose) -> Result<(), Error> {
        self.down()
    }

    async fn sealed(&self, _: &str) -> Result<Option<String>, Error> {
        self.down()
    }

    async fn keep_sealed(&self, _: &str, _: String) -> Result<(), Error> {
        self.down()
    }

    async fn ping(&self) -> Result<(), Error> {
        self.down()
    }

    async fn close(&self) {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}
