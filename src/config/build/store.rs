//! `[store]`.

use std::path::{Path, PathBuf};

use crate::config::error::{Findings, Remark};
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::master_key::{MasterKey, MasterKeyError};
use crate::store::sled::Settings;

/// What is known of the store.
pub(super) struct Store {
    pub(super) settings: Settings,
    pub(super) master_key_file: PathBuf,
}

/// Reads the section.
pub(super) fn read(section: &Section<'_>, log: &mut Findings) -> Option<Store> {
    let path = section.file("path", log);
    let master_key_file = section.file("master_key_file", log);
    let cache = section.value("cache", log, read::size);
    if let Some(Some(path)) = &path {
        folder(path, log);
    }
    if let Some(Some(file)) = &master_key_file
        && file.value.is_dir()
    {
        let remark = Remark::new(format!("{} is a folder", file.value.display()));
        let remark = remark.so("the master secret would have no place, and nothing would start");
        log.error(&file.spot, remark.fix("name the file in it: \"…/master.key\""));
    }
    let path = path??;
    let master_key_file = master_key_file?.map_or_else(|| path.value.join("master.key"), |file| file.value);
    let settings = Settings { path: path.value, cache: cache?.value };
    if let Err(error) = MasterKey::examine(&master_key_file, settings.is_made()) {
        let remark = Remark::new(error.to_string()).so("nothing would start");
        log.error(&section.spot("master_key_file"), remark.fix(mend(&error)));
        return None;
    }
    Some(Store { settings, master_key_file })
}

fn mend(error: &MasterKeyError) -> String {
    match error {
        MasterKeyError::Exposed { path, .. } => format!("chmod 600 {}", path.display()),
        MasterKeyError::Missing { .. } | MasterKeyError::Malformed { .. } => {
            "restore the file from a backup; where there is none, move the store's folder (and the file) away to begin anew: \
             everybody is logged out, bindings are lost"
                .to_owned()
        }
        MasterKeyError::File { .. } | MasterKeyError::NoRandomness(_) => "see what the system says".to_owned(),
    }
}

/// Whether the folder is there or can be made. Nothing is written: the nearest parent that there is tells.
fn folder(path: &Given<PathBuf>, log: &mut Findings) {
    let so = "the store could not be opened, and nothing would start";
    if path.value.is_file() {
        let remark = Remark::new(format!("{} is a file", path.value.display())).so(so);
        return log.error(&path.spot, remark.fix("the store takes a folder of its own"));
    }
    let or_here = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    let Some(nearest) = path.value.ancestors().map(or_here).find(|path| path.exists()) else { return };
    // Who checks need not be who serves: a warning.
    if !nearest.is_dir() {
        let remark = Remark::new(format!("{} is no folder", nearest.display())).so(so);
        log.warn(&path.spot, remark.fix("give a folder that is there, or one that can be made"));
    } else if !is_writable(&nearest) {
        let remark = Remark::new(format!("the user of this check may not write into {}", nearest.display())).so(so);
        log.warn(&path.spot, remark.fix("give Menshen's own user that folder, or name another; check as that user"));
    }
}

/// A folder without a single right to write, such as those of `/proc`, takes nothing from root either.
#[cfg(unix)]
fn is_writable(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::{Access, access};

    const ANYBODY_WRITES: u32 = 0o222;
    let somebody = folder.metadata().is_ok_and(|folder| folder.permissions().mode() & ANYBODY_WRITES != 0);
    somebody && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Without modes there is nothing to tell.
#[cfg(not(unix))]
fn is_writable(_: &Path) -> bool {
    true
}
