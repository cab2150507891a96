//! `[store]`.

use std::path::PathBuf;

use crate::config::error::{Findings, Remark};
use crate::config::read;
use crate::config::section::Section;
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
    let (path, master_key_file) = (path??, master_key_file?);
    if path.value.is_file() {
        let remark = Remark::new(format!("{} is a file", path.value.display()));
        log.error(&path.spot, remark.fix("the store takes a folder of its own"));
        return None;
    }
    let beside = path.value.join("master.key");
    let master_key_file = match master_key_file {
        Some(file) if file.value.is_dir() => {
            let remark = Remark::new(format!("{} is a folder", file.value.display()));
            log.error(&file.spot, remark.fix("name the file in it: \"…/master.key\""));
            return None;
        }
        Some(file) => file.value,
        None => beside,
    };
    Some(Store { settings: Settings { path: path.value, cache: cache?.value }, master_key_file })
}
