//! The store's folder, the master key and the socket: whose they are, and who else may use them.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{AS_THE_PROXY, Finding};
use crate::config::Config;
use crate::master_key::MasterKey;

/// What Menshen, or a filesystem of its own, has in a folder that is made for it.
const OURS: [&str; 6] = ["lock", "sled", "sled.new", "aside", "admin", "lost+found"];

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let store = config.store.path.as_path();
    let of_store = match store.metadata() {
        Ok(metadata) => {
            let elsewhere = "give the store a folder of its own (store.path): this one holds other things too";
            private(config, "store", store, &metadata, elsewhere)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return vec![missing(config)];
        }
        Err(error) => unseen("store", store, &error),
    };
    let mut findings = vec![of_store, master_key(config)];
    if let Some(folder) = config.admin.socket.parent() {
        let elsewhere = "name another place in admin.socket, in a folder of its own such as /run/menshen/";
        match folder.metadata() {
            Ok(metadata) => findings.push(private(config, "socket", folder, &metadata, elsewhere)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => findings.push(unseen("socket", folder, &error)),
        }
    }
    findings
}

/// The first start makes it, if it can.
fn missing(config: &Config) -> Finding {
    let store = config.store.path.display();
    let Some(obstacle) = config.store.obstacle() else {
        return Finding::good("store", format!("{store} is not there yet: the first start makes it"));
    };
    let found = format!("{store} is not there yet, and cannot be made: {obstacle}");
    let fix = "name another place in store.path, or give it to the user that runs the proxy";
    match rustix::process::geteuid().is_root() {
        true => Finding::bad("store", found, fix),
        // Somebody else may be meant to.
        false => Finding::doubtful("store", found, format!("{fix}; {AS_THE_PROXY}")),
    }
}

fn master_key(config: &Config) -> Finding {
    const WHAT: &str = "master key";
    let file = config.master_key_file.as_path();
    if let Err(error) = MasterKey::examine(file, config.store.is_made()) {
        return Finding::bad(WHAT, error.to_string(), "see `menshen check`");
    }
    // Of a file that is closed to this user nothing was found out.
    match file.metadata().and_then(|metadata| if metadata.is_file() { File::open(file).map(drop) } else { Ok(()) }) {
        Ok(()) => Finding::good(WHAT, format!("{} is its owner's alone", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::good(WHAT, format!("{} is not there yet: the first start makes it", file.display()))
        }
        Err(error) => unseen(WHAT, file, &error),
    }
}

fn unseen(what: &'static str, path: &Path, error: &io::Error) -> Finding {
    Finding::doubtful(what, format!("{} cannot be seen from here: {error}", path.display()), AS_THE_PROXY)
}

/// `elsewhere`: what to do where others need the folder too.
fn private(config: &Config, what: &'static str, path: &Path, metadata: &Metadata, elsewhere: &str) -> Finding {
    let mode = metadata.permissions().mode() & 0o777;
    let found = format!("{} has mode {mode:o} and belongs to user id {}", path.display(), metadata.uid());
    match mode & 0o077 {
        0 => Finding::good(what, found),
        _ if is_made_for_us(config, path, metadata) => {
            Finding::bad(what, found, format!("chmod 700 {}: others on this machine may look into it", path.display()))
        }
        _ => Finding::bad(what, format!("{found}: others on this machine may look into it"), elsewhere),
    }
}

/// Whether nobody else has anything in a folder, and it is the proxy's own user's: whoever closed `/tmp` would lock a
/// machine up.
fn is_made_for_us(config: &Config, folder: &Path, metadata: &Metadata) -> bool {
    let own = config.store.database().metadata().map(|database| database.uid());
    let own = own.unwrap_or_else(|_| rustix::process::geteuid().as_raw());
    let files = [config.admin.socket.as_path(), config.master_key_file.as_path()];
    let is_ours = |name: &OsStr| {
        let is_file = |file: &&Path| file.parent() == Some(folder) && file.file_name() == Some(name);
        OURS.iter().any(|ours| *ours == name) || files.iter().any(is_file)
    };
    let holds_nothing_else = |entries: fs::ReadDir| entries.flatten().all(|entry| is_ours(&entry.file_name()));
    metadata.uid() == own && fs::read_dir(folder).is_ok_and(holds_nothing_else)
}
