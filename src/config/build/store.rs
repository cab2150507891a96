//! `[store]`.

use std::path::PathBuf;

use crate::config::error::{Findings, Remark};
use crate::config::read;
use crate::config::section::{Given, Section};
use crate::master_key::{MasterKey, MasterKeyError};
use crate::store::sled::{self, Obstacle, Settings};

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
    let Some(obstacle) = sled::obstacle(&path.value) else { return };
    let fix = match &obstacle {
        Obstacle::NoFolder(_) => "give a folder that is there, or one that can be made",
        Obstacle::Closed(_) => "give Menshen's own user that folder, or name another; check as that user",
    };
    // Who checks need not be who serves: a warning.
    log.warn(&path.spot, Remark::new(obstacle.to_string()).so(so).fix(fix));
}
