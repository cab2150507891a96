//! The store's folder, the master key and the socket: whose they are, and who else may use them.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::Finding;
use crate::config::Config;
use crate::master_key::MasterKey;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let store = config.store.path.as_path();
    let Ok(metadata) = store.metadata() else {
        return vec![Finding::good("store", format!("{} is not there yet: the first start makes it", store.display()))];
    };
    let mut findings = vec![private("store", store, &metadata)];
    findings.push(match MasterKey::examine(&config.master_key_file, config.store.is_made()) {
        Ok(()) => Finding::good("master key", format!("{} is its owner's alone", config.master_key_file.display())),
        Err(error) => Finding::bad("master key", error.to_string(), "see `menshen check`"),
    });
    if let Some(folder) = config.admin.socket.parent()
        && let Ok(metadata) = folder.metadata()
    {
        findings.push(private("socket", folder, &metadata));
    }
    findings
}

fn private(what: &'static str, path: &Path, metadata: &Metadata) -> Finding {
    let (mode, path) = (metadata.permissions().mode() & 0o777, path.display());
    let found = format!("{path} has mode {mode:o} and belongs to user id {}", metadata.uid());
    match mode & 0o077 {
        0 => Finding::good(what, found),
        _ => Finding::bad(what, found, format!("chmod 700 {path}: others on this machine may look into it")),
    }
}
