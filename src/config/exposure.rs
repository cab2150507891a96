//! Secrets in a file that everybody on the machine may read.

use std::fs;
use std::path::{Path, PathBuf};

use super::build::PLACEHOLDER;
use super::error::{Findings, Place, Remark, Spot};
use super::keys::{self, Kind, Known};
use super::section::{Given, dotted};
use super::tree::{Entry, Table};

/// Warns of the first secret written into a configuration that others can read.
pub(super) fn check(path: &Path, tree: &Table, log: &mut Findings) {
    let Some(spot) = (is_open(path) && !is_handed_in(path)).then(|| first_secret(tree, "", "")).flatten() else {
        return;
    };
    let remark = Remark::new("is a secret in a file that every user of this machine can read")
        .so("whoever gets into any account here can act in its name");
    let file = path.display();
    log.warn(
        &spot,
        remark.fix(format!("chmod 640 {file} and give it Menshen's group, or keep the secret in a file of its own")),
    );
}

/// Warns of a secret's own file that others can read.
pub(super) fn check_secret(file: &Given<PathBuf>, log: &mut Findings) {
    if is_open(&file.value) && !is_handed_in(&file.value) {
        let remark = Remark::new("is a file that every user of this machine can read")
            .so("whoever gets into any account here can act in its name");
        log.warn(&file.spot, remark.fix(format!("chmod 640 {} and give it Menshen's group", file.value.display())));
    }
}

/// Whether it lies where containers get their secrets: mounted for reading alone, with modes that nobody in there sets.
fn is_handed_in(path: &Path) -> bool {
    use rustix::fs::{StatVfsMountFlags, statvfs};

    path.canonicalize().is_ok_and(|path| path.starts_with("/run/secrets"))
        || statvfs(path).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY))
}

#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    const OTHERS_READ: u32 = 0o004;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & OTHERS_READ != 0)
}

/// Without modes there is nothing to tell.
#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}

fn first_secret(table: &Table, pattern: &str, shown: &str) -> Option<Spot> {
    table.0.iter().find_map(|entry| {
        let (below, path) = (keys::join(pattern, &entry.name), dotted(shown, &entry.name));
        match Known::at(&below) {
            Known::Key(key) => (matches!(key.kind, Kind::Secret) && is_in_the_file(entry)).then(|| Spot {
                place: entry.node.place.clone(),
                key: path,
                found: None,
            }),
            Known::Section => entry.node.table().and_then(|table| first_secret(table, &below, &path)),
            Known::List | Known::Nothing => None,
        }
    })
}

/// The placeholder is known to everybody anyway, and reported on its own.
fn is_in_the_file(entry: &Entry) -> bool {
    let placeholder = entry.node.text() == Some(PLACEHOLDER);
    matches!(entry.node.place, Place::Line { .. }) && !placeholder
}
