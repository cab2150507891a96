//! The store of a proxy that does not run, for operators.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::owner::{self, OwnerError};
use crate::admin::Admin;
use crate::clock::Clock;
use crate::config::Config;
use crate::master_key::{MasterKey, MasterKeyError};
use crate::store::Store;
use crate::store::sled::{OpenError, SledStore};

/// Why a stopped proxy's store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum StoppedError {
    /// There is none: a command makes none in a place that may be mistaken.
    #[error(
        "there is no store in {} either. Either it has never been started by this configuration, or it was started with \
         another admin.socket or store.path: if it runs, name its socket by --socket", .0.display()
    )]
    Nothing(PathBuf),
    /// Another process has it open.
    #[error(
        "the store {} is in use by another process{}. If that is another command, such as an import, wait until it has \
         ended. If it is the proxy, let it run: --socket names its socket if it was started with another admin.socket; if it \
         has none, its log says why (\"operators' commands will not reach this proxy\"), and it makes one at its next start \
         once that is mended",
        path.display(),
        holder.map(|id| format!(" (id {id})")).unwrap_or_default()
    )]
    InUse {
        /// The store's folder.
        path: PathBuf,
        /// The other process's id, where it is known.
        holder: Option<u32>,
    },
    /// It is another user's.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The store does not open.
    #[error(transparent)]
    Store(OpenError),
    /// There is no master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
}

/// A stopped proxy's store, kept from being started until it is closed.
pub struct Stopped {
    store: Arc<dyn Store>,
    /// What operators do.
    pub admin: Admin,
}

impl Stopped {
    /// Opens it. Blocks.
    pub fn open(config: &Config, clock: Clock) -> Result<Self, StoppedError> {
        let path = &config.store.path;
        if !config.store.is_made() {
            return Err(StoppedError::Nothing(path.clone()));
        }
        // Whoever made the database has to read it: the folder around it may have been made by somebody else.
        owner::check(&config.store.database())?;
        owner::check(&config.master_key_file)?;
        let master = MasterKey::open_or_create(&config.master_key_file, true)?;
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&config.store).map_err(|error| of(error, path))?);
        let app = config.app();
        let identify = move |openid: &str| app.identity(openid);
        let admin = Admin::of_a_stopped_proxy(Arc::clone(&store), master, clock, Arc::new(identify));
        Ok(Stopped { store, admin })
    }

    /// Writes out what is pending and lets a proxy have it.
    pub async fn close(self) {
        self.store.close().await;
    }
}

fn of(error: OpenError, path: &Path) -> StoppedError {
    if let OpenError::Locked { holder, .. } = error {
        StoppedError::InUse { path: path.to_owned(), holder }
    } else {
        StoppedError::Store(error)
    }
}
