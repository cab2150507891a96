//! What is put right before sled opens its files, and when it cannot read them.
//!
//! While it opens, sled writes a snapshot of its page table under a name ending in `.generating`. Killed then, it takes
//! the torn file for the newest snapshot at the next start and reports corruption for ever. A snapshot only spares a
//! scan of the log, so that a torn one can be deleted and an unreadable one set aside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder;

/// What sled's snapshots begin with.
const SNAPSHOT: &str = "snap.";

/// What unfinished ones end with.
const UNFINISHED: &str = ".generating";

/// Deletes snapshots that were never finished. Returns how many.
pub(super) fn delete_unfinished_snapshots(database: &Path) -> io::Result<usize> {
    let unfinished: Vec<_> = snapshots(database)?.into_iter().filter(|(_, name)| name.ends_with(UNFINISHED)).collect();
    for (path, _) in &unfinished {
        fs::remove_file(path)?;
    }
    Ok(unfinished.len())
}

/// Moves every snapshot into `aside`, so that sled reads the whole log instead. Returns how many.
pub(super) fn set_snapshots_aside(database: &Path, aside: &Path) -> io::Result<usize> {
    let snapshots = snapshots(database)?;
    if !snapshots.is_empty() {
        folder::make_private(aside)?;
    }
    for (path, name) in &snapshots {
        fs::rename(path, aside.join(name))?;
    }
    Ok(snapshots.len())
}

fn snapshots(database: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(database)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(SNAPSHOT) {
            found.push((entry.path(), name));
        }
    }
    Ok(found)
}
