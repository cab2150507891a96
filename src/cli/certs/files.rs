//! Files that are there whole or not at all, with their mode from the first byte on.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    /// Its owner alone.
    Owner,
    /// Everybody.
    Everybody,
}

/// A file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be {}", path.display(), if *is_reading { "read" } else { "written" })]
pub(super) struct FileError {
    path: PathBuf,
    is_reading: bool,
    #[source]
    source: io::Error,
}

/// What a file holds; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read(path) {
        // What is no text is nobody's PEM.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError { path: path.to_owned(), is_reading: true, source }),
    }
}

/// Makes a folder where there is none.
pub(super) fn folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(|source| FileError { path: path.to_owned(), is_reading: false, source })
}

/// Puts a file in the place of whatever is there.
pub(super) fn write(path: &Path, text: &str, access: Access) -> Result<(), FileError> {
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everybody => 0o644,
    };
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&beside);
        FileError { path: path.to_owned(), is_reading: false, source }
    })
}
