//! Whose the files of a store are: what another user made there would keep the proxy's own user out.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a store is left alone.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// Files that this user made there would keep the proxy's own user out.
    #[error(
        "{} belongs to user id {owner}, and this command runs as {user}: run it as that user, such as by \
         `sudo -u '#{owner}' menshen …`", path.display()
    )]
    Another {
        /// The database, or the master key.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who asks.
        user: u32,
    },
    /// It cannot be found out whose it is.
    #[error("{} cannot be looked at", path.display())]
    Unknown {
        /// What it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Whether a file is this user's, or not there.
pub(super) fn check(path: &Path) -> Result<(), OwnerError> {
    let user = rustix::process::geteuid().as_raw();
    match path.metadata() {
        Ok(found) if found.uid() != user => {
            Err(OwnerError::Another { path: path.to_owned(), owner: found.uid(), user })
        }
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(OwnerError::Unknown { path: path.to_owned(), source })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
