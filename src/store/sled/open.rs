//! Opening the store: lock, make or repair, open, and check that it is ours.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::folder::Folder;
use super::lock::{self, Lock};
use super::trees::{self, Trees};
use super::{Settings, create, repair, upgrade};
use crate::store;
use crate::units::ByteSize;

/// Why a store could not be opened. Each is for an operator to read and act on.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The cache would make sled take more memory, not less.
    #[error("the store's cache of {asked} is too small: at least {least}", least = Settings::MIN_CACHE)]
    CacheTooSmall {
        /// What was asked for.
        asked: ByteSize,
    },
    /// The folder cannot be made, read or written.
    #[error("the store cannot use {path}")]
    Folder {
        /// The file or folder in question.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder lies on another machine.
    #[error(
        "the store's folder {path} is on a network filesystem ({kind}), where locks cannot be relied on; use a local \
         disk, or a database server where several machines share a store"
    )]
    NetworkFilesystem {
        /// The store's folder.
        path: PathBuf,
        /// The filesystem's type, as the kernel names it.
        kind: String,
    },
    /// Another process has the store open.
    #[error(
        "the store is in use by another process{}, which holds {path}; only one process can have a store open: stop \
         that one, or give this one a path of its own",
        holder.map(|id| format!(" (id {id})")).unwrap_or_default()
    )]
    Locked {
        /// The locked file.
        path: PathBuf,
        /// The other process's id, where it is known.
        holder: Option<u32>,
    },
    /// The store was written by a newer version of Menshen.
    #[error(
        "the store has format {found}, and this version of Menshen knows format {known}: a newer version has used it; \
         start that version, or restore a backup made before the upgrade"
    )]
    Newer {
        /// The store's format.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// There is a sled database, but Menshen did not make it.
    #[error("the database in the store's folder was not made by Menshen; give the store a folder of its own")]
    Foreign,
    /// The database's file is not where it was: making an empty one in its place would look like a loss of every user.
    #[error("the store's database {path} has disappeared")]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// The database cannot be read, not even without its snapshots.
    #[error("the store in {path} is damaged ({reason}); keep a copy of it, and restore a backup")]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// What sled said.
        reason: String,
    },
    /// The database could not be opened for another reason, such as a full disk.
    #[error(
        "the store's database cannot be opened; if it is neither the disk nor the permissions, its files are damaged: keep \
         a copy of them, and restore a backup"
    )]
    Database(#[from] sled::Error),
    /// A record that is needed to bring the database to the present format cannot be read.
    #[error("the store cannot be brought to the format of this version; the version before can still use it")]
    Record(#[source] store::Error),
    /// A file of the store could not be used.
    #[error("the store's files cannot be used")]
    Files(#[from] io::Error),
    /// The thread that owns the database could not be started.
    #[error("no thread for the store")]
    Thread(#[source] io::Error),
}

/// Opens the store, and opens it again after it has failed. Holds the lock all the while.
pub(super) struct Opener {
    folder: Folder,
    cache: ByteSize,
    lock_patience: Duration,
    _lock: Lock,
}

impl Opener {
    /// Takes the store's folder for this process, or says who has it after `lock_patience`.
    pub(super) fn new(settings: &Settings, lock_patience: Duration) -> Result<Self, OpenError> {
        if settings.cache < Settings::MIN_CACHE {
            return Err(OpenError::CacheTooSmall { asked: settings.cache });
        }
        let folder = Folder::prepare(&settings.path)?;
        let lock = Lock::take(&folder.lock(), lock_patience)?;
        Ok(Opener { folder, cache: settings.cache, lock_patience, _lock: lock })
    }

    /// The store at start-up; made if there is none.
    pub(super) fn open(&self) -> Result<Trees, OpenError> {
        if !self.folder.database().exists() {
            create::database(&self.folder, self.cache)?;
        }
        let log = self.settled_log()?;
        self.open_repaired(&log)
    }

    /// The store after it has failed: never a new one, and nothing from memory that the disk does not hold.
    pub(super) fn reopen(&self) -> Result<Trees, OpenError> {
        let log = self.settled_log()?;
        forget_cached(&log)?;
        self.open_repaired(&log)
    }

    /// The log, free of locks and on disk as far as it goes: what recovery finds is answered from at once and becomes
    /// the base of a snapshot, so that it must survive a power cut from here on.
    fn settled_log(&self) -> Result<File, OpenError> {
        let path = self.folder.database().join("db");
        let log = match File::options().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(OpenError::Gone { path }),
            opened => opened?,
        };
        if !lock::wait_for(&log, self.lock_patience)? {
            return Err(OpenError::Locked { path, holder: None });
        }
        log.unlock()?;
        log.sync_all()?;
        Ok(log)
    }

    fn open_repaired(&self, log: &File) -> Result<Trees, OpenError> {
        let database = self.folder.database();
        let torn = repair::delete_unfinished_snapshots(&database)?;
        if torn > 0 {
            tracing::info!(torn, "snapshots deleted that an interrupted start had left unfinished");
        }
        let trees = self.open_whole(&database, log)?;
        match upgrade::upgrade(&trees) {
            Ok(()) => Ok(trees),
            Err(error) => {
                trees.release();
                Err(error)
            }
        }
    }

    fn open_whole(&self, database: &Path, log: &File) -> Result<Trees, OpenError> {
        match open_trees(database, self.cache, log, trees::check_schema) {
            Err(OpenError::Damaged { reason, .. }) => {
                let moved = repair::set_snapshots_aside(database, &self.folder.aside())?;
                tracing::warn!(reason, moved, "the store cannot be read; trying once more without its snapshots");
                open_trees(database, self.cache, log, trees::check_schema)
            }
            opened => opened,
        }
    }
}

/// Opens sled's files themselves, of which `log` is one, if `admit` has nothing against what they hold. What sled reports
/// or panics about them is [`OpenError::Damaged`].
pub(super) fn open_trees(
    path: &Path,
    cache: ByteSize,
    log: &File,
    admit: fn(&sled::Db) -> Result<(), OpenError>,
) -> Result<Trees, OpenError> {
    let log = log.try_clone()?;
    let open = || {
        // The background thread that this interval drives also reclaims space.
        let db = sled::Config::new().path(path).cache_capacity(cache.0).flush_every_ms(Some(500)).open()?;
        admit(&db)?;
        Ok(Trees::of(db, log)?)
    };
    let damaged = |reason| OpenError::Damaged { path: path.to_owned(), reason };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Err(OpenError::Database(error @ (sled::Error::Corruption { .. } | sled::Error::ReportableBug(_))))) => {
            Err(damaged(error.to_string()))
        }
        Ok(outcome) => outcome,
        Err(_panic) => Err(damaged("the database panicked while it was opened".to_owned())),
    }
}

/// Drops the log from the kernel's cache. After a failed fsync the cache may hold pages that it counts as written and
/// the disk does not hold; answering from them would promise what a power cut takes away.
#[cfg(target_os = "linux")]
fn forget_cached(log: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(log, 0, None, rustix::fs::Advice::DontNeed)?)
}

#[cfg(not(target_os = "linux"))]
fn forget_cached(_log: &File) -> io::Result<()> {
    Ok(())
}
