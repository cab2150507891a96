//! Making a new database, so that it is there whole or not at all.
//!
//! sled syncs neither its `conf` file nor the folder, and a kill between two of its writes to `conf` leaves a file that
//! it refuses for ever. So the database is made under another name, synced, and renamed.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::folder::{self, Folder};
use super::open::{OpenError, open_trees};
use crate::units::ByteSize;

/// Makes the database that `folder` lacks.
pub(super) fn database(folder: &Folder, cache: ByteSize) -> Result<(), OpenError> {
    let unfinished = folder.unfinished();
    let failed = |source| OpenError::Folder { path: unfinished.clone(), source };
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(failed)?;
    }
    folder::make_private(&unfinished).map_err(failed)?;
    fill(&unfinished, cache)?;
    sync_all_within(&unfinished).map_err(failed)?;
    fs::rename(&unfinished, folder.database()).map_err(failed)?;
    folder::sync(folder.path()).map_err(failed)?;
    tracing::info!(path = %folder.path().display(), "new store made");
    Ok(())
}

fn fill(path: &Path, cache: ByteSize) -> Result<(), OpenError> {
    let log = File::create_new(path.join("db"))?;
    let trees = open_trees(path, cache, &log, |_| Ok(()))?;
    let written = trees.write_schema().and_then(|()| trees.commit());
    trees.release();
    Ok(written?)
}

fn sync_all_within(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all_within(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    folder::sync(folder)
}
