//! The open database: its trees, and the handle by which what they took is made to last.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use sled::{Db, Tree};

use super::flush;
use super::open::OpenError;

/// What this program writes. Raised when an older program could no longer read it.
pub(super) const SCHEMA: u32 = 3;

/// The name of [`Trees::meta`].
const META: &str = "meta";

/// Where [`Trees::meta`] keeps the schema's number.
const SCHEMA_KEY: &[u8] = b"schema";

/// Longest wait for sled to let go of its threads and files. Past this only the process's end will help.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// The trees of an open database. Only the committer thread has them.
pub(super) struct Trees {
    /// User id → user.
    pub(super) users: Tree,
    /// The shop's own id, user id → nothing.
    pub(super) by_upstream_id: Tree,
    /// Identity → binding.
    pub(super) bindings: Tree,
    /// User id, identity → nothing.
    pub(super) by_user: Tree,
    /// Sequence → revocation.
    pub(super) revocations: Tree,
    /// Time of running out, sequence → nothing: what [`sweep`](super::revocations::sweep) walks.
    pub(super) expiry: Tree,
    /// Time, number → entry of the audit trail.
    pub(super) audit: Tree,
    /// Purpose, time of making, id → key.
    pub(super) keys: Tree,
    /// Name → what its owner alone can open.
    pub(super) sealed: Tree,
    /// The schema's number; the last numbers given to a revocation and to an entry of the audit trail.
    pub(super) meta: Tree,
    db: Db,
    file: File,
}

impl Trees {
    /// The trees of `db`, whose log is `file`. That handle must be older than `db`, or an error that the kernel met
    /// while writing pages back could be reported to sled's handle alone.
    pub(super) fn of(db: Db, file: File) -> Result<Self, sled::Error> {
        Ok(Trees {
            users: db.open_tree("users")?,
            by_upstream_id: db.open_tree("users-by-upstream-id")?,
            bindings: db.open_tree("bindings")?,
            by_user: db.open_tree("bindings-by-user")?,
            revocations: db.open_tree("revocations")?,
            expiry: db.open_tree("expiry")?,
            audit: db.open_tree("audit")?,
            keys: db.open_tree("keys")?,
            sealed: db.open_tree("sealed")?,
            meta: db.open_tree(META)?,
            db,
            file,
        })
    }

    /// Makes everything written so far outlast a power cut. `flush` alone does not: it hands the data to the kernel
    /// and never calls fsync, whatever its documentation says.
    pub(super) fn commit(&self) -> Result<(), sled::Error> {
        flush::flush(&self.db)?;
        self.file.sync_data().map_err(sled::Error::Io)
    }

    /// The schema's number, if it is one.
    pub(super) fn schema(&self) -> Result<Option<u32>, sled::Error> {
        let number = self.meta.get(SCHEMA_KEY)?;
        Ok(number.and_then(|number| number.as_ref().try_into().ok().map(u32::from_be_bytes)))
    }

    /// Marks a database as ours, in the present format.
    pub(super) fn write_schema(&self) -> Result<(), sled::Error> {
        self.meta.insert(SCHEMA_KEY, &SCHEMA.to_be_bytes()).map(drop)
    }

    /// Lets go of the database. After an error sled may panic while it is dropped, or wait for a thread of its own that
    /// is dead; neither may take the caller along.
    pub(super) fn release(self) {
        let (released, wait) = mpsc::channel();
        let drop_here = move || {
            if catch_unwind(AssertUnwindSafe(|| drop(self))).is_err() {
                tracing::warn!("the store's database panicked while it was closed");
            }
            let _ = released.send(());
        };
        // Where no thread can be made, `spawn` itself drops the database.
        let spawn = || thread::Builder::new().name("store-release".to_owned()).spawn(drop_here);
        let _ = catch_unwind(AssertUnwindSafe(spawn));
        if wait.recv_timeout(RELEASE_PATIENCE) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the store's database does not close; if it cannot be opened again, restart Menshen");
        }
    }
}

/// Refuses a database that this program must not touch, before it gets so much as a tree from us.
pub(super) fn check_schema(db: &Db) -> Result<(), OpenError> {
    if !db.tree_names().iter().any(|name| *name == META) {
        return Err(OpenError::Foreign);
    }
    let found = db.open_tree(META)?.get(SCHEMA_KEY)?.ok_or(OpenError::Foreign)?;
    let found = u32::from_be_bytes(found.as_ref().try_into().map_err(|_| OpenError::Foreign)?);
    if found > SCHEMA { Err(OpenError::Newer { found, known: SCHEMA }) } else { Ok(()) }
}
