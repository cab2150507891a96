//! sled, embedded: the store for one machine.
//!
//! sled 0.34 is used behind a guard, because it cannot be trusted with some of what a [`Store`] promises:
//!
//! | what sled does | what is done about it | where |
//! | --- | --- | --- |
//! | `flush` does not fsync | our own `sync_data` before any answer | `trees.rs` |
//! | `flush_async` dead-locks | never called; one thread owns all writes | `committer.rs` |
//! | a kill at start-up leaves a snapshot it cannot read | deleted, or set aside, before it opens | `repair.rs` |
//! | its files are never synced when made | made under another name, synced, renamed | `create.rs` |
//! | an error sticks until it is reopened | dropped and reopened with growing pauses | `keeper.rs` |
//! | its lock is void on network filesystems | they are refused | `filesystem.rs` |

mod audit;
mod bindings;
mod change;
mod committer;
mod counts;
mod create;
mod failure;
mod filesystem;
mod flush;
mod folder;
mod import;
mod keeper;
mod lock;
mod open;
mod repair;
mod revocations;
mod sealed_records;
mod state;
mod stored_keys;
mod tree_key;
mod trees;
mod upgrade;
mod users;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use self::committer::{Access, Call, Message};
pub use self::counts::StoreCounts;
use self::failure::Failure;
pub use self::folder::{Obstacle, obstacle};
use self::keeper::Pace;
pub use self::open::OpenError;
use self::open::Opener;
use self::state::State;
use self::trees::Trees;
use super::{
    Actor, AuditEntry, AuditPage, AuditPosition, BindError, Binding, Cursor, Error, IdentityKey, ImportRow, Imported,
    KeyPurpose, NewUser, Profile, Revocation, SessionsEnd, SignedIn, Store, StoredKey, User, UserId, UserState,
};
use crate::clock::Timestamp;
use crate::units::ByteSize;

/// The most calls that wait at once. More means the disk has stopped, and then waiting helps nobody.
const QUEUE: usize = 4096;

/// When to look again whether there is room for the call to close.
const ROOM_AGAIN: Duration = Duration::from_millis(10);

/// The most records one call reads or sweeps in a row, so that a long list does not hold up logins.
const PAGE: usize = 512;

/// Where the store lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store's folder; made if absent, mode 0700. The database is a folder within, so that other files may lie
    /// beside it.
    pub path: PathBuf,
    /// Upper bound of sled's page cache; at least [`Settings::MIN_CACHE`].
    pub cache: ByteSize,
}

impl Settings {
    /// A cache smaller than the data makes sled take more memory, not less (970 MiB instead of 379 MiB with a million
    /// records and 64 MiB of cache), so that a smaller one is refused.
    pub const MIN_CACHE: ByteSize = ByteSize::mib(256);

    /// The database within the folder.
    pub fn database(&self) -> PathBuf {
        self.path.join(folder::DATABASE)
    }

    /// What keeps this user from making the folder, or from writing into it, in words. Touches nothing.
    pub fn obstacle(&self) -> Option<String> {
        folder::obstacle(&self.path).map(|obstacle| obstacle.to_string())
    }

    /// Which process has the store open, in words, if one has.
    pub fn holder(&self) -> io::Result<Option<String>> {
        lock::holder(&self.path.join(folder::LOCK))
    }

    /// Whether there is a store, or something that keeps us from looking. Touches nothing.
    pub fn is_made(&self) -> bool {
        !matches!(self.database().try_exists(), Ok(false))
    }
}

/// The store for one machine. A handle; the database belongs to a thread of its own, which closes it when the handle is
/// dropped, or earlier by [`Store::close`].
#[derive(Debug)]
pub struct SledStore {
    inbox: SyncSender<Message>,
    state: Arc<State>,
}

impl SledStore {
    /// Opens the store, and makes it if there is none. Blocks: milliseconds for a small store, seconds for one of
    /// millions of users, some seconds more if another process is just letting go of it.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        Self::open_at(settings, Pace::default())
    }

    fn open_at(settings: &Settings, pace: Pace) -> Result<Self, OpenError> {
        let opener = Opener::new(settings, pace.lock_patience)?;
        let trees = opener.open()?;
        let (inbox, calls) = sync_channel(QUEUE);
        let state = Arc::new(State::new(pace.stuck_after));
        let thread = thread::Builder::new().name("store".to_owned());
        let keep = {
            let state = Arc::clone(&state);
            move || keeper::keep(opener, trees, &calls, &state, pace)
        };
        thread.spawn(keep).map_err(OpenError::Thread)?;
        Ok(SledStore { inbox, state })
    }

    /// What it has done so far.
    pub fn counts(&self) -> &Arc<StoreCounts> {
        &self.state.counts
    }

    /// Has the thread take `step` and waits until what came of it is certain.
    async fn call<T, E>(
        &self,
        access: Access,
        step: impl FnOnce(&Trees) -> Result<T, Failure<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.state.check()?;
        let (call, answered) = Call::new(access, step);
        self.send(Message::Call(call))?;
        answered.await.map_err(|_| self.state.dropped())?
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        self.inbox.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => Error::Unavailable { reason: format!("{QUEUE} calls are waiting for the disk") },
            TrySendError::Disconnected(_) => self.state.dropped(),
        })
    }
}

#[async_trait]
impl Store for SledStore {
    async fn find_user(&self, identity: &IdentityKey) -> Result<Option<User>, Error> {
        let identity = identity.clone();
        self.call(Access::Read, move |trees| users::find_bound(trees, &identity)).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        self.call(Access::Read, move |trees| users::find(trees, id)).await
    }

    async fn create_bound(&self, identity: &IdentityKey, new: NewUser, now: Timestamp) -> Result<SignedIn, Error> {
        let identity = identity.clone();
        self.call(Access::Write, move |trees| users::create_bound(trees, &identity, new, now)).await
    }

    async fn bind(
        &self,
        identity: &IdentityKey,
        unionid: Option<String>,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), BindError> {
        let identity = identity.clone();
        self.call(Access::Write, move |trees| bindings::bind(trees, &identity, unionid, user, now)).await
    }

    async fn update_profile(
        &self,
        user: UserId,
        profile: Profile,
        now: Timestamp,
        revoke_until: Timestamp,
    ) -> Result<User, Error> {
        self.call(Access::Write, move |trees| users::update_profile(trees, user, profile, now, revoke_until)).await
    }

    async fn bindings(&self, after: Option<&IdentityKey>, limit: usize) -> Result<Vec<Binding>, Error> {
        let mut found: Vec<Binding> = Vec::new();
        while found.len() < limit {
            let after = found.last().map(|last| &last.identity).or(after).cloned();
            let wanted = PAGE.min(limit - found.len());
            let page = self.call(Access::Read, move |trees| bindings::page(trees, after.as_ref(), wanted)).await?;
            let last = page.len() < wanted;
            found.extend(page);
            if last {
                break;
            }
        }
        Ok(found)
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, Error> {
        let mut found: Vec<User> = Vec::new();
        while found.len() < limit {
            let after = found.last().map(|last| last.id).or(after);
            let wanted = PAGE.min(limit - found.len());
            let page = self.call(Access::Read, move |trees| users::page(trees, after, wanted)).await?;
            let last = page.len() < wanted;
            found.extend(page);
            if last {
                break;
            }
        }
        Ok(found)
    }

    async fn bindings_of(&self, user: UserId) -> Result<Vec<Binding>, Error> {
        self.call(Access::Read, move |trees| bindings::of_user(trees, user)).await
    }

    async fn set_state(
        &self,
        user: UserId,
        state: UserState,
        by: Actor,
        now: Timestamp,
        end: SessionsEnd,
    ) -> Result<User, Error> {
        self.call(Access::Write, move |trees| users::set_state(trees, user, state, by, now, end)).await
    }

    async fn unbind(
        &self,
        identity: &IdentityKey,
        by: Actor,
        now: Timestamp,
        end: SessionsEnd,
    ) -> Result<Option<Binding>, Error> {
        let identity = identity.clone();
        self.call(Access::Write, move |trees| bindings::unbind(trees, &identity, by, now, end)).await
    }

    async fn import(
        &self,
        row: ImportRow,
        replace: bool,
        by: Actor,
        now: Timestamp,
        end: SessionsEnd,
    ) -> Result<Imported, Error> {
        self.call(Access::Write, move |trees| import::import(trees, &row, replace, by, now, end)).await
    }

    async fn erase(&self, user: UserId, by: Actor, now: Timestamp, end: SessionsEnd) -> Result<bool, Error> {
        self.call(Access::Write, move |trees| users::erase(trees, user, by, now, end)).await
    }

    async fn record(&self, entry: AuditEntry) -> Result<(), Error> {
        self.call(Access::Write, move |trees| audit::add(trees, &entry)).await
    }

    async fn audit(&self, page: AuditPage, limit: usize) -> Result<Vec<(AuditPosition, AuditEntry)>, Error> {
        let (mut page, mut found) = (page, Vec::new());
        while found.len() < limit {
            let wanted = PAGE.min(limit - found.len());
            let piece = self.call(Access::Read, move |trees| audit::page(trees, page, wanted)).await?;
            let last = piece.len() < wanted;
            if let Some((at, _)) = piece.last() {
                page = page.moved_to(*at);
            }
            found.extend(piece);
            if last {
                break;
            }
        }
        Ok(found)
    }

    async fn forget_audit(&self, before: Timestamp) -> Result<usize, Error> {
        let mut forgotten = 0;
        loop {
            let went = self.call(Access::Write, move |trees| audit::forget(trees, before, PAGE)).await?;
            forgotten += went;
            if went < PAGE {
                return Ok(forgotten);
            }
        }
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), Error> {
        self.call(Access::Write, move |trees| revocations::add(trees, &revocation)).await
    }

    async fn revocations(&self, since: Cursor, now: Timestamp) -> Result<(Vec<Revocation>, Cursor), Error> {
        let (mut found, mut cursor) = (Vec::new(), since);
        loop {
            let page = self.call(Access::Read, move |trees| revocations::page(trees, cursor, now, PAGE)).await?;
            found.extend(page.alive);
            cursor = page.cursor;
            // Stops at a page that is not full: writers beside it could else keep this going for ever.
            if !page.full {
                return Ok((found, cursor));
            }
        }
    }

    async fn sweep(&self, now: Timestamp) -> Result<usize, Error> {
        let mut swept = 0;
        loop {
            let went = self.call(Access::Write, move |trees| revocations::sweep(trees, now, PAGE)).await?;
            swept += went;
            if went < PAGE {
                return Ok(swept);
            }
        }
    }

    async fn keys_or_first(&self, first: StoredKey) -> Result<Vec<StoredKey>, Error> {
        self.call(Access::Write, move |trees| stored_keys::all_or_first(trees, &first)).await
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, Error> {
        self.call(Access::Read, stored_keys::all).await
    }

    async fn rotate_key(&self, new: StoredKey, drop_old: bool, by: Actor) -> Result<(), Error> {
        self.call(Access::Write, move |trees| stored_keys::rotate(trees, &new, drop_old, by)).await
    }

    async fn forget_key(&self, id: &str, purpose: KeyPurpose) -> Result<(), Error> {
        let id = id.to_owned();
        self.call(Access::Write, move |trees| stored_keys::forget(trees, &id, purpose)).await
    }

    async fn sealed(&self, name: &str) -> Result<Option<String>, Error> {
        let name = name.to_owned();
        self.call(Access::Read, move |trees| sealed_records::find(trees, &name)).await
    }

    async fn keep_sealed(&self, name: &str, sealed: String) -> Result<(), Error> {
        let name = name.to_owned();
        self.call(Access::Write, move |trees| sealed_records::keep(trees, &name, sealed)).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.state.check()
    }

    async fn close(&self) {
        let (done, closed) = oneshot::channel();
        let mut message = Message::Close(done);
        loop {
            message = match self.inbox.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(unsent)) => unsent,
                Err(TrySendError::Disconnected(_)) => return,
            };
            tokio::time::sleep(ROOM_AGAIN).await;
        }
        // Dropped unanswered means that another call of `close` came first and is done.
        let _ = closed.await;
    }
}

#[cfg(test)]
mod tests;
