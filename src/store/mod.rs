//! What outlives the process, behind one trait that every backend implements alike.
//!
//! A backend knows neither cookies nor providers' protocols, asks no clock and makes no random numbers. Each promise
//! of [`Store`] is a check in [`conformance`], which every backend is put through.

mod audit;
pub mod conformance;
#[cfg(test)]
pub(crate) mod double;
mod import;
mod model;
pub mod record;
pub mod sled;

use async_trait::async_trait;

pub use self::audit::{Act, Actor, AuditEntry, AuditPage, AuditPosition};
pub use self::import::{ImportRow, Imported};
pub use self::model::{
    Binding, Cursor, IdentityKey, KeyPurpose, NewUser, Profile, Revocation, Revoked, SealedRecord, SessionId,
    SessionsEnd, SignedIn, StoredKey, User, UserId, UserState,
};
use crate::clock::Timestamp;
use crate::units::ByteSize;

/// Why a store could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The backend cannot serve now: it is starting, being reopened, full, or gone. Trying later may help.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What an operator needs to know.
        reason: String,
    },
    /// A record is there but cannot be read: made by a newer version, or damaged.
    #[error("a stored {kind} cannot be read: {reason}")]
    Unreadable {
        /// Which kind of record.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller brought more than a store takes. Nothing was kept.
    #[error("a {kind} of {size} bytes is too large to be kept: at most {limit}")]
    TooLarge {
        /// Which kind of record.
        kind: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The largest there may be.
        limit: ByteSize,
    },
    /// The caller named a user that is not there.
    #[error("there is no user {0}")]
    NoSuchUser(UserId),
}

/// Why an identity was not bound.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BindError {
    /// The identity stands for somebody else.
    #[error("the identity is bound to another user")]
    BoundToAnother(UserId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Users, the identities bound to them, what has been revoked, the keys, and the audit trail.
///
/// What is answered `Ok` is on disk and survives both a kill and a power cut. Whatever changes who may log in as whom adds
/// its entry to the audit trail in the same step.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The user to whom this identity is bound.
    async fn find_user(&self, identity: &IdentityKey) -> Result<Option<User>, Error>;

    /// The user with this id.
    async fn user(&self, id: UserId) -> Result<Option<User>, Error>;

    /// Binds the identity to a new user, both in one step; of any number of racing calls one creates, and all return
    /// that user.
    async fn create_bound(&self, identity: &IdentityKey, new: NewUser, now: Timestamp) -> Result<SignedIn, Error>;

    /// Binds one more identity to a user; binding it again to the same user changes nothing.
    async fn bind(
        &self,
        identity: &IdentityKey,
        unionid: Option<String>,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), BindError>;

    /// Takes over what the provider now says of a user. Only a real change counts up [`User::generation`], writes, and
    /// adds a [`Revoked::Changed`] that lasts until `revoke_until`.
    async fn update_profile(
        &self,
        user: UserId,
        profile: Profile,
        now: Timestamp,
        revoke_until: Timestamp,
    ) -> Result<User, Error>;

    /// The bindings after `after` in the store's own steady order, at most `limit` of them: a page, never a whole table.
    async fn bindings(&self, after: Option<&IdentityKey>, limit: usize) -> Result<Vec<Binding>, Error>;

    /// The users after `after` in the order of their ids, at most `limit` of them: a page, never a whole table.
    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, Error>;

    /// Every binding of a user; none if there is no such user.
    async fn bindings_of(&self, user: UserId) -> Result<Vec<Binding>, Error>;

    /// Blocks a user or lets them in again. Only a real change counts up [`User::generation`], writes, and tells the
    /// feed; blocking also ends sessions, by a [`Revoked::User`].
    async fn set_state(
        &self,
        user: UserId,
        state: UserState,
        by: Actor,
        now: Timestamp,
        end: SessionsEnd,
    ) -> Result<User, Error>;

    /// Removes a binding and ends its user's sessions. Returns it; `None` if the identity was bound to nobody.
    async fn unbind(
        &self,
        identity: &IdentityKey,
        by: Actor,
        now: Timestamp,
        end: SessionsEnd,
    ) -> Result<Option<Binding>, Error>;

    /// Takes in a binding from elsewhere, with its user. What is there already is left and told; with `replace` it gives
    /// way, and the sessions of everybody concerned are over.
    async fn import(
        &self,
        row: ImportRow,
        replace: bool,
        by: Actor,
        now: Timestamp,
        end: SessionsEnd,
    ) -> Result<Imported, Error>;

    /// Removes a user, every binding of theirs and their sessions. False if there was no such user.
    async fn erase(&self, user: UserId, by: Actor, now: Timestamp, end: SessionsEnd) -> Result<bool, Error>;

    /// Adds to the audit trail what changes nothing else here.
    async fn record(&self, entry: AuditEntry) -> Result<(), Error>;

    /// A piece of the audit trail, at most `limit` entries.
    async fn audit(&self, page: AuditPage, limit: usize) -> Result<Vec<(AuditPosition, AuditEntry)>, Error>;

    /// Forgets the entries of the audit trail that were made before `before`. Returns how many went.
    async fn forget_audit(&self, before: Timestamp) -> Result<usize, Error>;

    /// Adds to the revocation feed.
    async fn revoke(&self, revocation: Revocation) -> Result<(), Error>;

    /// Every revocation after `since` that has not run out by `past`, oldest first, and the cursor to ask with next.
    async fn revocations(&self, since: Cursor, past: Timestamp) -> Result<(Vec<Revocation>, Cursor), Error>;

    /// Forgets what has run out by `past`: revocations whose [`Revocation::until`] lies before it. Returns how many went.
    async fn sweep(&self, past: Timestamp) -> Result<usize, Error>;

    /// All keys of one purpose, oldest first; if there are none of this algorithm, `first` is kept and returned among
    /// them. Of racing calls one key is kept, and all return it.
    async fn keys_or_first(&self, first: StoredKey) -> Result<Vec<StoredKey>, Error>;

    /// All keys, those of one purpose oldest first.
    async fn keys(&self) -> Result<Vec<StoredKey>, Error>;

    /// Keeps a key; the others of its purpose and algorithm that were not superseded are so from its
    /// [`StoredKey::active_from`] on. With `drop_old` those are forgotten instead, and all of the purpose that were
    /// superseded before.
    async fn rotate_key(&self, new: StoredKey, drop_old: bool, by: Actor) -> Result<(), Error>;

    /// Forgets a key, if it is there.
    async fn forget_key(&self, id: &str, purpose: KeyPurpose) -> Result<(), Error>;

    /// What was kept last under a name, as it was given.
    async fn sealed(&self, name: &str) -> Result<Option<String>, Error>;

    /// Keeps what its owner alone can open, in place of what was under this name before.
    async fn keep_sealed(&self, name: &str, sealed: String) -> Result<(), Error>;

    /// Whether the backend can serve, for the readiness page and before an exchange is begun.
    async fn ping(&self) -> Result<(), Error>;

    /// Writes out what is pending and lets go of files and connections. Calls after this answer [`Error::Unavailable`].
    async fn close(&self);
}
