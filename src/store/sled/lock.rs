//! Our own lock on the store's folder, taken before anything in it is touched.
//!
//! sled locks its log, but only after it has read and perhaps written other files, and repairs must come before that.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::open::OpenError;

/// How often a lock is tried while another process holds it.
const RETRY: Duration = Duration::from_millis(50);

/// Held for as long as this value lives, and let go by the kernel however the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says who has it after `patience`. A process that was killed may hold it a little longer.
    pub(super) fn take(path: &Path, patience: Duration) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        if !wait_for(&file, patience).map_err(failed)? {
            let mut holder = String::new();
            // The holder may be writing just now; its name is a help, not a fact to rely on.
            let _ = file.read_to_string(&mut holder);
            return Err(OpenError::Locked { path: path.to_owned(), holder: holder.trim().parse().ok() });
        }
        // A full disk must not keep the store from being opened and read.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Lock { _file: file })
    }
}

/// Who holds the lock, in words, if anybody does. Asked for with a lock that others can have at the same time, and let go
/// at once: who opens the store meanwhile tries again.
pub(super) fn holder(path: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            let mut id = String::new();
            file.read_to_string(&mut id)?;
            let id = id.trim().parse::<u32>();
            Ok(Some(id.map_or_else(|_| "a process that has not said its id".to_owned(), |id| format!("process {id}"))))
        }
    }
}

/// Locks `file` if it comes free within `patience`.
pub(super) fn wait_for(file: &File, patience: Duration) -> io::Result<bool> {
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if waited >= patience => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(RETRY),
        }
        waited += RETRY;
    }
}
